package exchange

import (
	"testing"
	"time"
)

// TestNothingLeavesAfterAPauseBeforeAllWasLookedAt has a pulse miss its beats, by each clock.
func TestNothingLeavesAfterAPauseBeforeAllWasLookedAt(t *testing.T) {
	for name, pause := range map[string]func(*testClock){
		"the process":      func(c *testClock) { c.pass(pulseGap + time.Millisecond) },
		"the machine":      func(c *testClock) { c.jump(0, time.Hour, 0) },
		"a clock set back": func(c *testClock) { c.jump(0, 0, -time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			clock := newTestClock()
			p := &pulse{clock: clock}
			clock.pass(time.Hour)
			if p.held() {
				t.Fatal("held before it begins")
			}
			end := p.begin()
			looks := 0
			look := func() {
				if looks++; !p.held() {
					t.Error("open before all was looked at")
				}
			}
			for range 10 {
				clock.pass(pulseGap - time.Millisecond)
				if p.held() {
					t.Fatal("held although it beats")
				}
				p.beat(look)
			}
			if pause(clock); !p.held() || looks > 0 {
				t.Fatalf("a pause is not noticed, or %d looks without one", looks)
			}
			p.beat(look)
			if !p.held() || looks != 1 {
				t.Fatalf("open at once after %d looks: packets that were made before come still", looks)
			}
			for _, passed := range []time.Duration{0, pulseRest - 1} { // a tick that was due comes at once
				clock.pass(passed)
				if p.beat(look); !p.held() {
					t.Fatalf("open %v after the look: packets that were made before come still", passed)
				}
			}
			clock.pass(1)
			if p.beat(look); p.held() || looks != 1 {
				t.Fatalf("not open after the rest, %d looks", looks)
			}
			pause(clock)
			if end(); p.held() {
				t.Error("held after its end")
			}
		})
	}
}
