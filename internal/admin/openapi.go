package admin

import (
	_ "embed"
	"net/http"
)

// OpenAPI is the description of the API, by OpenAPI 3.1, in JSON. It is drawn
// up from the table of routes and the types of bodies and answers; a test holds
// it to them.
//
//go:embed openapi.json
var OpenAPI []byte

// openAPI answers with the description.
func openAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(OpenAPI) // fails only when the client is gone
}
