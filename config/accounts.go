package config

import (
	"encoding/base64"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Forms of what an account is told.
const (
	asBaseURL = "URL"    // of an API: scheme and host, and a path where there is one
	asBase64  = "base64" // a secret
	asHMAC    = "HMAC"   // a TSIG algorithm that updates are signed with
)

// endpoint says whether where an account is to be found is written as its kind
// wants it.
func (w *providerReader) endpoint(p path, kind string, s scalar) {
	switch {
	case !s.set() || s.text == "":
	case kind != "rfc2136":
		w.baseURL(p.sub("endpoint"), s)
	default:
		host, port, err := net.SplitHostPort(s.text)
		n, bad := strconv.ParseUint(port, 10, 16)
		switch {
		case err != nil && validHost(strings.Trim(s.text, "[]")):
			w.problem(p.sub("endpoint"), s, clip(s.text)+" has no port", "write "+net.JoinHostPort(strings.Trim(s.text, "[]"), "53")+", where it is 53")
		case err != nil || bad != nil || n == 0 || !validHost(host):
			w.problem(p.sub("endpoint"), s, quoted(s)+" is no server", `write host:port of the primary server, as "192.0.2.53:53"`)
		}
	}
}

// baseURL says whether s is where an API is to be found.
func (w *providerReader) baseURL(p path, s scalar) {
	u, err := url.Parse(s.text)
	switch {
	case strings.Contains(s.text, "@"): // its text is a secret
		w.problem(p, s, "the URL holds credentials", "write it without them: the account's secrets have keys of their own")
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		mend := "write http:// or https:// and the host, as https://api.example.com"
		if host, _, err := net.SplitHostPort(s.text); err == nil && validHost(host) {
			mend = "write http://" + s.text + ", or https:// where it speaks TLS"
		}
		w.problem(p, s, quoted(s)+" is no base URL", mend)
	case u.RawQuery != "" || u.Fragment != "":
		w.problem(p, s, quoted(s)+" is no base URL", "leave out what follows the path")
	}
}

func quoted(s scalar) string { return strconv.Quote(clip(s.text)) }

// form says whether a value is written as its key wants it.
func (w *providerReader) form(p path, k ProviderKey, s scalar) {
	switch {
	case !s.set() || s.text == "":
	case k.Form == asBaseURL:
		w.baseURL(p.sub(k.Name), s)
	case k.Form == asHMAC && !slices.Contains(hmacs(), strings.TrimSuffix(s.text, ".")):
		w.word(p.sub(k.Name), s, hmacs()...)
	}
}

// hmacs are the algorithms that updates are signed with.
func hmacs() []string { return []string{"hmac-sha256", "hmac-sha384", "hmac-sha512"} }

// together says whether an account that signs has both, the name of its key
// and the secret.
func (w *providerReader) together(p path, name string, key scalar, line int32, a Account) {
	_, inFile := a.Files["secret"]
	_, inEnv := a.Secrets["secret"]
	switch signed := a.Values["key"] != ""; {
	case signed && !inFile && !inEnv:
		w.problem(p.sub("key"), key, "the key has no secret", "write secret_file: FILE, or set "+SecretVariable(name, "secret")+"; without a key, updates are not signed")
	case !signed && (inFile || inEnv):
		w.problem(p, at(line), "the account has a secret and no key", "write key: NAME, as the server calls the key")
	}
}

// spells reports whether a secret has the form that its key wants.
func spells(form, secret string) bool {
	_, err := base64.StdEncoding.DecodeString(secret)
	return form != asBase64 || err == nil
}

// notBase64 is how to mend a secret that is to be base64 and is not.
const notBase64 = "let it be the secret of the TSIG key as tsig-keygen prints it, in base64, without name or quotes"

// registered says whether the build has the module of an account.
func (w *providerReader) registered(p path, module scalar) {
	if w.modules == nil || !module.set() || slices.Contains(w.modules, module.text) {
		return
	}
	mend := "docs/beside-your-providers.md says how to build one that has it"
	if len(w.modules) > 0 {
		mend = "it has " + listed(w.modules) + "; " + mend
	}
	w.problem(p.sub("module"), module, "this build has no module "+quoted(module), mend)
}
