// Command shunt is an authoritative DNS server that steers its answers away
// from failing CDNs. What it does is in package command; a build with DNS
// provider modules of your own has a main like this one (see
// docs/beside-your-providers.md).
package main

import (
	"os"

	"github.com/shunt-dns/shunt/cmd/shunt/command"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = "dev"

func main() { os.Exit(command.Main(command.WithVersion(version))) }
