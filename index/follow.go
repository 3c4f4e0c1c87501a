package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// snapshot returns the current generation of a collection with a reference
// taken for the caller. Where that one is damaged and an older one is whole,
// it returns the older one.
func (x *Index) snapshot(ctx context.Context, collection string) (*snapshot, error) {
	home, err := x.home(collection)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	// A writer may replace the generation, and remove the old one, between
	// the reading of its name and its opening; then the name has changed, and
	// what did open may lack a leg.
	for {
		now, err := home.current()
		if err != nil {
			return nil, notFound(collection, err)
		}
		s, err, ok := x.follow(ctx, collection, home, now)
		if !ok {
			continue
		}
		if err == nil && s.vectorErr == nil && s.keywordErr == nil {
			return s, nil
		}
		again, errAgain := home.current()
		replaced := errAgain == nil && again != now && ctx.Err() == nil
		switch {
		case replaced && err == nil:
			_ = s.release() // a generation that is gone: nobody needs its error
			continue
		case replaced:
			continue
		case err == nil:
			return s, nil
		}
		return nil, fmt.Errorf("open collection %q: %w", collection, err)
	}
}

// openWhole opens a generation, or the latest one before it that is whole if
// this one is damaged. If there is none, it opens what is left of this one.
func (x *Index) openWhole(collection string, home folder, now pointer, old *snapshot) (*snapshot, error) {
	s, err := openSnapshot(home, now.name, x.engines(), old)
	damage := err
	if err == nil {
		// What is not damage may be over in a moment: then this one is whole.
		if damage = errors.Join(s.damage, s.legIsDamaged()); !errors.Is(damage, errDamaged) {
			return s, nil
		}
	} else if !errors.Is(err, errDamaged) {
		return nil, err
	}
	if again, errAgain := home.current(); errAgain != nil || again != now {
		return s, err // it was replaced meanwhile; the caller looks again
	}
	older, listErr := home.older(now.name)
	if listErr != nil && !errors.Is(listErr, fs.ErrNotExist) {
		return s, err
	}
	for _, name := range older {
		stand, openErr := openSnapshot(home, name, x.engines(), old)
		if openErr != nil {
			continue
		}
		if stand.damage != nil || stand.vectorErr != nil || stand.keywordErr != nil {
			_ = stand.release() // what is wrong with it changes nothing
			continue
		}
		if s != nil {
			_ = s.release()
		}
		if x.opts.Damaged != nil {
			x.opts.Damaged(collection, fmt.Errorf("%w; %s answers instead of %s: index again", damage, name, now.name))
		}
		return stand, nil
	}
	return s, err
}
