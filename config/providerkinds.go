package config

// A ProviderKind is a row of the table of providers: what an account there is
// told. Package kind has the row that opens it; a test holds the two together.
type ProviderKind struct {
	Kind     string
	Title    string // its name, for people
	Endpoint string // what endpoint: is there; where it is required, it begins with "required: "
	Keys     []ProviderKey
}

// A ProviderKey is one key of a kind.
type ProviderKey struct {
	Name     string // as in Account.Values or Account.Secrets; the key of a secret has _file behind it
	Secret   bool
	Required bool   // in the file, or for a secret in the environment
	Default  string // of a value
	Form     string // that it is to have: URL, base64 or HMAC; "": any
	Help     string // with an example
}

// Custom is the kind of a provider whose module a build of the user's own
// brings along.
const Custom = "custom"

// ProviderKinds returns the table.
func ProviderKinds() []ProviderKind {
	return []ProviderKind{
		{"rfc2136", "BIND, Knot and other servers, by dynamic update", "required: host:port of the primary server", []ProviderKey{
			{Name: "key", Help: "name of the TSIG key; without one, updates are not signed"},
			{Name: "algorithm", Default: "hmac-sha256", Form: asHMAC, Help: "hmac-sha256, hmac-sha384 or hmac-sha512"},
			{Name: "secret", Secret: true, Form: asBase64, Help: "the TSIG key in base64, as tsig-keygen prints it"},
		}},
		{"powerdns", "PowerDNS Authoritative Server", "required: base URL of its API, as http://127.0.0.1:8081", []ProviderKey{
			{Name: "server_id", Default: "localhost", Help: "the server among those that the API speaks for"},
			{Name: "key", Secret: true, Required: true, Help: "api-key of pdns.conf"},
		}},
		{"cloudflare", "Cloudflare", "base URL", []ProviderKey{
			{Name: "token", Secret: true, Required: true, Help: "API token with Zone.DNS edit and Zone.Zone read"},
		}},
		{"route53", "Amazon Route 53", "base URL", []ProviderKey{
			{Name: "access_key_id", Required: true, Help: "of an IAM user"},
			{Name: "region", Default: "us-east-1", Help: "that requests are signed for"},
			{Name: "hosted_zone_id", Help: "of the hosted zone to take where several have its name, as Z0123456789ABCDEFGHIJ"},
			{Name: "secret_access_key", Secret: true, Required: true, Help: "of the IAM user"},
			{Name: "session_token", Secret: true, Help: "of temporary credentials"},
		}},
		{"googleclouddns", "Google Cloud DNS", "base URL", []ProviderKey{
			{Name: "project", Required: true, Help: "that the managed zones are in"},
			{Name: "credentials", Secret: true, Required: true, Help: "key of a service account, JSON"},
		}},
		{"azure", "Azure DNS", "base URL of the Resource Manager", []ProviderKey{
			{Name: "tenant_id", Required: true, Help: "directory of the application"},
			{Name: "client_id", Required: true, Help: "of the application"},
			{Name: "subscription_id", Required: true, Help: "that the zones are in"},
			{Name: "resource_group", Required: true, Help: "that the zones are in"},
			{Name: "authority", Default: "https://login.microsoftonline.com", Form: asBaseURL, Help: "where tokens are had; a national cloud has its own"},
			{Name: "client_secret", Secret: true, Required: true, Help: "of the application"},
		}},
		{"ovh", "OVHcloud", "base URL", []ProviderKey{
			{Name: "application_key", Required: true, Help: "of the application"},
			{Name: "application_secret", Secret: true, Required: true, Help: "of the application"},
			{Name: "consumer_key", Secret: true, Required: true, Help: "with GET, POST, PUT and DELETE on /domain/zone/*"},
		}},
		{"scaleway", "Scaleway Domains and DNS", "base URL", []ProviderKey{
			{Name: "project_id", Help: "UUID of the project that the zones are in; default: all"},
			{Name: "secret_key", Secret: true, Required: true, Help: "of the API key"},
		}},
		{"hetzner", "Hetzner DNS", "base URL", []ProviderKey{
			{Name: "token", Secret: true, Required: true, Help: "API token with read and write"},
		}},
		{"gandi", "Gandi LiveDNS", "base URL", []ProviderKey{
			{Name: "token", Secret: true, Required: true, Help: "personal access token for the domain's DNS"},
		}},
		{"desec", "deSEC", "base URL", []ProviderKey{
			{Name: "token", Secret: true, Required: true, Help: "token whose policy allows the names that are pushed"},
		}},
		{"bunny", "Bunny DNS", "base URL", []ProviderKey{
			{Name: "key", Secret: true, Required: true, Help: "API key of the account"},
		}},
		{"digitalocean", "DigitalOcean", "base URL", []ProviderKey{
			{Name: "token", Secret: true, Required: true, Help: "personal access token with the scopes domain read, create, update and delete"},
		}},
	}
}
