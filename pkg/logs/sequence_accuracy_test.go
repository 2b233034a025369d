package logs

import (
	"bufio"
	"compress/gzip"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sessionsOf reads "id,event event …" lines.
func sessionsOf(tb testing.TB, name string) [][]ID {
	tb.Helper()
	f, err := os.Open(filepath.Join(sharedData(tb), "logseq", name))
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	var all [][]ID
	for in := bufio.NewScanner(z); in.Scan(); {
		text := strings.TrimSpace(in.Text())
		if text == "" {
			continue
		}
		text = text[strings.LastIndexByte(text, ',')+1:]
		var s []ID
		for _, w := range strings.Fields(text) {
			n, err := strconv.ParseUint(w, 10, 64)
			if err != nil {
				tb.Fatal(err)
			}
			s = append(s, ID(n))
		}
		all = append(all, s)
	}
	return all
}

// hdfsRatio is the published number of normal sessions per anomalous one.
const hdfsRatio = 552640.0 / 16838

// f1 weighs false positives so that the classes have the published ratio.
func f1(m SequenceModel, normal, abnormal [][]ID, ratio float64) (score float64, tp, fp int) {
	count := func(all [][]ID) (n int) {
		seen := map[string]bool{} // verdicts of equal sessions are equal
		var key []byte
		for _, s := range all {
			key = key[:0]
			for _, e := range s {
				key = append(strconv.AppendUint(key, uint64(e), 36), ' ')
			}
			v, ok := seen[string(key)]
			if !ok {
				v = m.Score(s).Anomalous()
				seen[string(key)] = v
			}
			if v {
				n++
			}
		}
		return n
	}
	tp, fp = count(abnormal), count(normal)
	w := ratio * float64(len(abnormal)) / float64(len(normal))
	if tp == 0 {
		return 0, tp, fp
	}
	return 2 * float64(tp) / (float64(tp) + float64(fp)*w + float64(len(abnormal))), tp, fp
}

// The figures of docs/accuracy.md: HDFS, random halves of the normal sessions to learn from, thresholds from those alone.
func TestSequenceAccuracy(t *testing.T) {
	t.Parallel()
	normal, abnormal := sessionsOf(t, "hdfs_logdeep/hdfs_train.gz"), sessionsOf(t, "hdfs_logdeep/hdfs_test_abnormal.gz")
	splits := 3 // the page has 20; FORESHOCK_LOGS_SPLITS sets another number
	if os.Getenv("FORESHOCK_LOGS_SPLITS") != "" {
		splits, _ = strconv.Atoi(os.Getenv("FORESHOCK_LOGS_SPLITS"))
	}
	sum := map[string]float64{}
	for split := range splits {
		rng := rand.New(rand.NewPCG(uint64(split), 0))
		rng.Shuffle(len(normal), func(i, j int) { normal[i], normal[j] = normal[j], normal[i] })
		half := len(normal) / 2
		for _, name := range Sequences.Names() {
			if name == "hmm" { // a second a fit; foreshock logs score -d all has its figures
				continue
			}
			d, err := Sequences.New(name, nil)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			m, err := d.Fit(normal[:half])
			if err != nil {
				t.Fatal(err)
			}
			fit := time.Since(began)
			f, tp, fp := f1(m, normal[half:], abnormal, hdfsRatio)
			t.Logf("split %d %-12s F1 %.3f TP %d FP %d, fit %s, all %s", split, name, f, tp, fp, fit.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
			sum[name] += f
		}
	}
	for name := range sum {
		t.Logf("%-12s mean F1 %.3f", name, sum[name]/float64(splits))
	}
	if mean := sum["auto"] / float64(splits); mean < 0.965 {
		t.Errorf("auto: mean F1 %.3f, want 0.965", mean)
	}
}
