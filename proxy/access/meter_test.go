package access

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestRequestsAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMeter(Rates{RPM: 60})
		for i := range 60 {
			if err := m.Request(); err != nil {
				t.Fatalf("request %d: %v", i, err)
			}
		}
		var over *LimitError
		if err := m.Request(); !errors.As(err, &over) || over.Retry <= 0 || over.Retry > time.Second || over.What != "requests" {
			t.Fatalf("got %v, want the limit reached for at most a second", err)
		}
		if got, want := m.Standings(), (Standing{"requests", 60, 0, time.Minute}); len(got) != 1 || got[0] != want {
			t.Errorf("got %v, want %v", got, want)
		}
		time.Sleep(over.Retry)
		if err := m.Request(); err != nil {
			t.Errorf("got %v after the wait, want none", err)
		}
		if err := m.Tokens(1e9); err != nil {
			t.Errorf("got %v, want tokens without a bound", err)
		}
	})
}

func TestTokensAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMeter(Rates{TPM: 600})
		if err := m.Tokens(100); err != nil {
			t.Fatal(err)
		}
		var over *LimitError
		if err := m.Tokens(601); !errors.As(err, &over) || over.Retry != 0 {
			t.Errorf("got %v, want one that never passes", err)
		}
		m.Charge(1500) // 1000 more than there are
		if err := m.Tokens(1); !errors.As(err, &over) || over.Retry.Round(time.Millisecond) != 100100*time.Millisecond {
			t.Errorf("got %v after %v, want to wait until the debt is paid", err, over.Retry)
		}
		if got, want := m.Standings()[0], (Standing{"tokens", 600, 0, 160 * time.Second}); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
		time.Sleep(over.Retry)
		if err := m.Tokens(1); err != nil {
			t.Errorf("got %v after the wait, want none", err)
		}
	})
}

func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSlots(1)
		leave, err := s.Take(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if _, err := s.Take(t.Context(), time.Second); !errors.Is(err, ErrBusy) || time.Since(begin) != time.Second {
			t.Errorf("got %v after %v, want ErrBusy after a second", err, time.Since(begin))
		}
		gone, stop := context.WithCancel(t.Context())
		stop()
		if _, err := s.Take(gone, time.Hour); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want the context's error", err)
		}
		time.AfterFunc(time.Second, leave)
		leave, err = s.Take(t.Context(), time.Minute)
		if err != nil || time.Since(begin) != 2*time.Second {
			t.Errorf("got %v after %v, want the slot as it came free", err, time.Since(begin))
		}
		leave()
		if leave, err := NewSlots(0).Take(t.Context(), 0); err != nil {
			t.Error(err)
		} else {
			leave()
		}
	})
}

func TestDefaultsFillInWhatAKeyDoesNotSay(t *testing.T) {
	got := Key{TPM: 5}.rates(Rates{RPM: 1, TPM: 2, Concurrency: 3})
	if want := (Rates{1, 5, 3}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
