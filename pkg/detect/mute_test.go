package detect

import (
	"strings"
	"testing"
	"time"
)

// A muted spike has its score and no episode; a fault that outlasts the muted time alarms when it is over.
func TestMute(t *testing.T) {
	t.Parallel()
	s, at := fixtures()[0].s, 11*24*60
	j := seasonalJudge(t)
	j.Walk.Zone = "Asia/Shanghai"
	zone, err := j.Walk.Location()
	if err != nil {
		t.Fatal(err)
	}
	clock := func(i int) string { return time.UnixMilli(s.Grid.At(i)).In(zone).Format("15:04") }
	spiked := changed(s, func(v []float64) {
		for i := at; i < at+20; i++ {
			v[i] = 900
		}
	})
	j.Policy.Mute = []string{"daily " + clock(at-5) + "/" + clock(at+30)}
	v := judgeAll(t, j, spiked, at-60)
	if len(v.Episodes) > 0 || v.State[60] != Muted || !(v.Score[60] > 1) || v.State[54] != OK {
		t.Errorf("state %v, score %v, episodes %+v", v.State[60], v.Score[60], v.Episodes)
	}
	j.Policy.Mute = []string{"daily " + clock(at-5) + "/" + clock(at+10)}
	v = judgeAll(t, j, spiked, at-60)
	if len(v.Episodes) != 1 || v.Episodes[0].Began != s.Grid.At(at+10) {
		t.Errorf("episodes %+v, want one from the end of the muted time", v.Episodes)
	}
	j.Policy.Mute = []string{"sunday"}
	if err := j.Policy.Validate(); err == nil || !strings.HasPrefix(err.Error(), `parameter "mute": entry 1, "sunday": `) {
		t.Errorf("got %v", err)
	}
}
