package steer

// split shares n parts out in proportion to weights, of which at least one
// must be above 0. The sum is exactly n: what rounding leaves over goes to the
// largest remainders, the first ones where they are equal. While n suffices, no
// weight above 0 gets nothing.
func split(n int, weights []int) []int {
	parts := make([]int, len(weights))
	sum := 0
	for _, w := range weights {
		sum += w
	}
	if sum == 0 {
		return parts
	}
	rest, left := make([]int, len(weights)), n
	for i, w := range weights {
		parts[i] = n * w / sum
		rest[i] = n*w%sum + 1 // 0 once it has been served
		left -= parts[i]
	}
	for ; left > 0; left-- {
		best := 0
		for i := range rest {
			if rest[i] > rest[best] {
				best = i
			}
		}
		parts[best], rest[best] = parts[best]+1, 0
	}
	for i, w := range weights {
		if w == 0 || parts[i] > 0 {
			continue
		}
		most := 0
		for j := range parts {
			if parts[j] > parts[most] {
				most = j
			}
		}
		if parts[most] > 1 {
			parts[most], parts[i] = parts[most]-1, 1
		}
	}
	return parts
}
