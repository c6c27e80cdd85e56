package providers

import (
	"context"
	"errors"
)

// PlanAhead says what the first push to each provider, or to the one of that
// name, would change once Run ran, by what was published and what the process
// before knew. It is for a Keeper that is never run: it changes nothing.
func (k *Keeper) PlanAhead(ctx context.Context, name string) ([]Preview, error) {
	list, err := k.all(name)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	runs := k.ctx != nil
	k.mu.Unlock()
	if runs {
		return nil, errors.New("providers are kept in step already: plan with those")
	}
	for _, w := range list {
		w.recall()
		w.refresh()
	}
	return k.Plan(ctx, name)
}
