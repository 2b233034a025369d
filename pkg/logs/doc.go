// Package logs reads numbers out of log lines: templates (what of a line is always the same), their variable parts, and sequences of templates.
//
// The idea of the templates: one pass over the bytes masks what certainly varies (numbers, addresses, ids, paths, times) and marks what may vary (a word with a
// digit in it, the value of a key, a quoted word). Most lines then equal a masked line that was seen before, which one look into a map tells. The others go down a
// tree of fixed depth, as in Drain: the separators of the line choose a bucket, its columns the template. A column in which several words stand where all else is
// equal becomes a variable; words that tell outcomes apart (started, stopped) never do. A place that may vary and never did is shown as the word it is.
//
//	m, err := logs.New(logs.DefaultOptions())
//	match := m.Add([]byte("Connection from 10.0.0.7 port 4711"), time.Now())
//	t, _ := m.Template(match.ID) // t.Text: Connection from <*> port <*>
//	vars := m.Variables(nil)     // 10.0.0.7 (address), 4711 (number)
//	state := m.Marshal()
//	m, err = logs.Restore(logs.DefaultOptions(), state)
//
// It opens no file and knows no time but that of the lines; following files is the business of the exporter's collector.
//
// Source of the tree: He, Zhu, Zheng, Lyu: Drain: An Online Log Parsing Approach with Fixed Depth Tree, ICWS 2017, doi:10.1109/ICWS.2017.13.
package logs
