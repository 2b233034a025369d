package alert_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/foreshock/foreshock/webhook/alert"
)

func TestRecorder(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("0123456789", 1000)
	for _, tc := range []struct {
		max  int64
		want string
		cut  bool
	}{{1 << 20, body, false}, {10000, body, false}, {9999, body[:9999], true}, {1, "0", true}} {
		r := alert.NewRecorder(strings.NewReader(body), tc.max)
		if _, err := io.Copy(io.Discard, r); err != nil {
			t.Fatal(err)
		}
		raw, size, cut := r.Copy()
		got, err := alert.Unpack(raw, 1<<20)
		if err != nil || !bytes.Equal(got, []byte(tc.want)) || size != 10000 || cut != tc.cut {
			t.Errorf("max %d: %d bytes of %d, cut %v, %v", tc.max, len(got), size, cut, err)
		}
	}
	none := alert.NewRecorder(strings.NewReader(body), 0)
	if _, err := io.Copy(io.Discard, none); err != nil {
		t.Fatal(err)
	}
	if raw, size, cut := none.Copy(); raw != nil || size != 10000 || !cut {
		t.Errorf("nothing kept: %v, %d, %v", raw, size, cut)
	}
	if _, err := alert.Unpack([]byte("no gzip"), 10); err == nil {
		t.Error("unpacked what is no gzip")
	}
}
