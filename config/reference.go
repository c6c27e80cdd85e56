package config

import _ "embed"

// Reference is config/reference.yaml: a valid file that names every key, with
// its default where it has one.
//
//go:embed reference.yaml
var Reference string
