package notify

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// sink says how a channel counts, and what it must not read in a text that came from outside.
type sink struct {
	limit int                 // size of the whole text
	size  func(string) int    // as the other side counts
	esc   func(string) string // character by character: esc(a+b) = esc(a)+esc(b)
}

func bytesIn(s string) int { return len(s) }

// unitsIn counts UTF-16 code units, as Telegram does.
func unitsIn(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// fit escapes a text and cuts it to limit as the sink counts, never inside a character or an escape; the cut is marked.
func (s sink) fit(text string, limit int) string {
	escaped := s.esc(text)
	if s.size(escaped) <= limit {
		return escaped
	}
	const cut = "…"
	var b strings.Builder
	room := limit - s.size(cut)
	if room < 0 {
		return ""
	}
	for _, r := range text {
		one := s.esc(string(r))
		if room -= s.size(one); room < 0 {
			break
		}
		b.WriteString(one)
	}
	return b.String() + cut
}

// compose joins head, as much of the body as fits, and tail; each is text in the sink's own markup but for the body's blocks, which are
// escaped here. more writes the line that counts the blocks left off. Head and tail together must leave room: they are bounded where they are made.
func (s sink) compose(head, tail string, body []block, more func(left int) string) string {
	room := s.limit - s.size(head) - s.size(tail)
	var b strings.Builder
	b.WriteString(head)
	for i, bl := range body {
		left := len(body) - i
		reserve := 0
		if left > 1 {
			reserve = s.size(more(left - 1))
		}
		frame := s.size(bl.before) + s.size(bl.after)
		text := bl.write(s, max(0, room-frame-reserve))
		if text == "" || (i > 0 && room-frame-reserve < s.size(s.esc(bl.text)) && room-frame-reserve < 200) {
			// What is left of it would say little.
			if line := more(left); s.size(line) <= room {
				b.WriteString(line)
			}
			break
		}
		text = bl.before + text + bl.after
		room -= s.size(text)
		b.WriteString(text)
	}
	b.WriteString(tail)
	return b.String()
}

// block is a part of a body: a text from outside within our own markup.
type block struct {
	before, after string
	text          string // not escaped
	newline       string // what stands for a line end of text; "" is "\n"
}

// write is the text of the block within the room, escaped and cut.
func (bl block) write(s sink, room int) string {
	esc := s.esc
	if bl.newline != "" {
		s.esc = func(t string) string {
			parts := strings.Split(t, "\n")
			for i, p := range parts {
				parts[i] = esc(p)
			}
			return strings.Join(parts, bl.newline)
		}
	}
	return s.fit(bl.text, room)
}

// wide makes a text harmless for every dialect of Markdown in chat robots. None of them documents an escape, so characters with a meaning are replaced by
// their full-width forms, which every reader knows and no parser does: no link, image, mention, colour, heading or code can come from it.
func wide(text string) string {
	if !strings.ContainsAny(text, "<>[]*`#@\\~&|") {
		return text
	}
	return wideReplacer.Replace(text)
}

var wideReplacer = strings.NewReplacer("<", "＜", ">", "＞", "[", "［", "]", "］", "*", "＊", "`", "｀", "#", "＃", "@", "＠", "\\", "＼", "~", "～", "&", "＆", "|", "｜")

// runesIn counts characters.
func runesIn(s string) int { return utf8.RuneCountInString(s) }

// cutMarkup shortens a text that is markup already, as a person's template makes it: at the end of a line where that is not far, and never within a
// character, a tag, an entity or the text of a link. ok is false when something was left off; the mark and more say so then.
func (s sink) cutMarkup(text string, limit int, more string) (_ string, ok bool) {
	if s.size(text) <= limit {
		return text, true
	}
	room := limit - s.size("…"+more)
	if room <= 0 {
		return "", false
	}
	end, n := 0, 0
	for i, r := range text {
		if n += s.size(string(r)); n > room {
			break
		}
		end = i + utf8.RuneLen(r)
	}
	cut := text[:end]
	if i := strings.LastIndexByte(cut, '\n'); i > len(cut)/2 {
		cut = cut[:i]
	}
	for _, pair := range []struct{ open, shut string }{{"<", ">"}, {"[", ")"}, {"&", ";"}} {
		if i := strings.LastIndex(cut, pair.open); i >= 0 && !strings.Contains(cut[i:], pair.shut) && len(cut)-i < 2000 {
			cut = cut[:i]
		}
	}
	return cut + "…" + more, false
}
