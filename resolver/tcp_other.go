//go:build !linux

package resolver

// newTCP returns the plain side.
func newTCP(a *Answerer, g *gate, n int) (tcpSide, error) { return newPlainTCP(a, g, n) }

// makeRoomForBoth does nothing: nobody waits with a P here.
func makeRoomForBoth(int) {}
