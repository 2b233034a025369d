package season

import (
	"math/rand/v2"
	"testing"
	"time"
	_ "time/tzdata"
)

// The clock agrees with the standard library at random times, in order and not, also around changes of daylight saving.
func TestClock(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"UTC", "Europe/Berlin", "America/St_Johns", "Asia/Shanghai", "Australia/Lord_Howe", "America/Sao_Paulo"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		clock := NewClock(zone)
		rng := rand.New(rand.NewPCG(5, 6))
		at := time.Date(1965, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
		for range 20_000 {
			at += rng.Int64N(7_200_000_0)
			if rng.IntN(100) == 0 {
				at -= 5_000_000_000
			}
			local := time.UnixMilli(at).In(zone)
			day, tod := clock.Day(at)
			hour, minute, second := local.Clock()
			want := int64(hour*3600+minute*60+second)*1000 + int64(local.Nanosecond()/1e6)
			if tod != want || Weekday(day) != int(local.Weekday()) {
				t.Fatalf("%s: day %d, %d ms, weekday %d", local, day, tod, Weekday(day))
			}
			if y, m, d := local.Date(); time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() != day*86400 {
				t.Fatalf("%s: day %d", local, day)
			}
		}
	}
}
