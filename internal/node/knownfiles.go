package node

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shunt-dns/shunt/config"
)

// maxIncluded is how many files the master files of a configuration may
// include for it to be kept.
const maxIncluded = 10_000

// kept lists the files that make cfg what it is, absolute and clean, each
// once: the file itself, master files with what they include, maps of
// policies, networks of places, and authorities that probes trust.
//
// Certificates, keys of TLS and TSIG, the cookie secret, ECH configurations and
// databases of places are not among them: others renew those, an old copy would
// be of no use, and secrets are not to be scattered. They are read from where
// they are.
func kept(cfg *config.Config) ([]string, error) {
	all := map[string]bool{filepath.Clean(cfg.Path): true}
	add := func(path string) {
		if path != "" {
			all[filepath.Clean(path)] = true
		}
	}
	add(cfg.Places.File)
	for _, p := range cfg.Policies {
		for _, f := range p.Chain {
			add(f.Prefer.File)
		}
	}
	for _, m := range cfg.Monitors {
		add(m.HTTP.RootCAs)
		add(m.TLS.RootCAs)
	}
	for _, z := range cfg.Zones {
		if z.File != "" {
			if err := included(filepath.Clean(z.File), filepath.Dir(z.File), all); err != nil {
				return nil, err
			}
		}
	}
	return slices.Sorted(maps.Keys(all)), nil
}

// included adds the master file at path to all, and what it includes, below
// the folder root.
func included(path, root string, all map[string]bool) error {
	if all[path] {
		return nil
	}
	if len(all) > maxIncluded {
		return fmt.Errorf("more than %d files are included", maxIncluded)
	}
	all[path] = true
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 64<<10)
	for begins := true; ; {
		line, err := in.ReadSlice('\n')
		if begins && len(line) >= 8 && line[0] == '$' && strings.EqualFold(string(line[:8]), "$INCLUDE") {
			words := bytes.Fields(line[8:])
			if len(words) == 0 {
				return fmt.Errorf("%s: an $INCLUDE without a file", path)
			}
			name := filepath.Join(filepath.Dir(path), strings.Trim(string(words[0]), `"`))
			if rel, err := filepath.Rel(root, name); err != nil || !filepath.IsLocal(rel) {
				return fmt.Errorf("%s includes %s, which is outside of its folder", path, name)
			}
			if err := included(name, root, all); err != nil {
				return err
			}
		}
		begins = !errors.Is(err, bufio.ErrBufferFull) // else the line goes on
		switch {
		case err == io.EOF:
			return nil
		case err != nil && begins:
			return err
		}
	}
}

// fingerprint returns the hash of cfg's files, and the files.
func fingerprint(cfg *config.Config) (hash string, files []string, err error) {
	if files, err = kept(cfg); err != nil {
		return "", nil, err
	}
	same := make(map[string]string, len(files))
	for _, f := range files {
		same[f] = f
	}
	hash, err = hashOf(same)
	return hash, files, err
}

// hashOf returns the hash of files that are read from elsewhere: by the path
// that each stands for, where its octets are.
func hashOf(files map[string]string) (string, error) {
	all := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sum, err := fileHash(files[name])
		if err != nil {
			return "", err
		}
		fmt.Fprintf(all, "%s %x\n", name, sum)
	}
	return hex.EncodeToString(all.Sum(nil)), nil
}

func fileHash(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// nextSuffix is that of a folder half copied.
const nextSuffix = ".new"

// copyTo copies the files of p to folder, each below it at its own path. When
// they are not those that p was made of any more, there is no copy.
func copyTo(folder string, p print) error {
	_, files, err := fingerprint(p.cfg)
	if err != nil {
		return err
	}
	next := folder + nextSuffix
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	defer os.RemoveAll(next) // it is gone where all went well
	copies := make(map[string]string, len(files))
	for _, f := range files {
		copies[f] = filepath.Join(next, f)
		if err := copyFile(copies[f], f); err != nil {
			return err
		}
	}
	if hash, err := hashOf(copies); err != nil {
		return err
	} else if hash != p.hash {
		return errors.New("its files have changed since they were read: reload, or put them back")
	}
	return os.Rename(next, folder)
}

func copyFile(to, from string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}
