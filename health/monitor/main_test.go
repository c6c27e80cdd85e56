package monitor

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// serveEnv makes the test program a web server on loopback, so that a
// benchmark does not pay for the other side of its probes.
const serveEnv = "SHUNT_TEST_SERVE"

func TestMain(m *testing.M) {
	if os.Getenv(serveEnv) != "" {
		serve()
		return
	}
	goleak.VerifyTestMain(m)
}

// serve prints the port it listens on, and answers 200 until it is killed.
func serve() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "shunt-ok")
	})))
}
