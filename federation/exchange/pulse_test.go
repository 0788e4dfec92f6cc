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
			shut := func(after string) {
				t.Helper()
				if p.beat(look); !p.held() || looks != 1 {
					t.Fatalf("open after %s, %d looks: packets that were made before come still", after, looks)
				}
			}
			shut("a tick that was due and comes at once")
			clock.pass(pulseBeat)
			shut("a beat")
			clock.jump(0, 0, pulseGap-time.Millisecond)
			shut("a step of the wall clock")
			clock.pass(pulseGap - time.Millisecond)
			shut("a late beat")
			for range pulseRest/pulseBeat - 1 {
				clock.pass(pulseBeat)
				shut("a part of the rest")
			}
			clock.pass(pulseBeat)
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
