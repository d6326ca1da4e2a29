package acceptance_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// said is what a response means, known before a byte of it is written.
type said struct {
	requestID string
	code      string
	failure   bool // more than its code speaks of failure
	// unreadable: it is no document of the service, or can be read in two ways.
	unreadable bool
	// unusual: a reader may refuse it, but must not read anything else in it.
	unusual bool
}

// documentWriter writes a document in one of very many forms, as a script says, and
// keeps what the document means up to date. It shares no code with the client, and
// does not read what it has written.
type documentWriter struct {
	*script
	said
	fields []documentField
	xml    bool
	text   string
}

// documentField is a member or a child. Its value is a text, or raw JSON.
type documentField struct {
	name, value string
	raw         bool
}

var (
	documentIDs   = []string{"473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E", "R", "b5c8-é-&<\"'>", ""}
	documentCodes = []string{
		"", "IncorrectInstanceStatus", "Throttling", "Throttling.User", "InternalError", "internalERROR.Sub", "SystemBusy", "Rejected.Throttling", "ServiceUnavailableX",
		"THROTTLING", "Some.New.Code", "Internal\u00a0Error", "Throttling.<User>", "Throttling.User\u200b", "IllegalTimestamp", "SignatureNonceUsed", "200", "Disk Error",
	}
	// documentHarmless are texts that hold what a hasty reader takes for a part of
	// the document.
	documentHarmless = []string{
		"", "web", `","Code":"Throttling","x":"`, "<Code>Throttling</Code>", "</Message><Code>Throttling</Code><Message>", "]]>", "<!--", "\\", `"`, "}", "中\u2028",
		"<RequestId>S</RequestId>", "&lt;Code&gt;",
	}
)

// writeDocument writes one document for a restart, or one that comes close to it.
func writeDocument(s *script) *documentWriter {
	w := &documentWriter{script: s, xml: s.is()}
	w.requestID, w.code = oneOf(s, documentIDs...), oneOf(s, documentCodes...)
	if w.requestID != "" || s.is() {
		w.add("RequestId", w.requestID)
	}
	if w.code != "" || s.upTo(4) == 3 {
		w.failure = true
		w.add("Code", w.code)
	}
	if s.upTo(4) == 3 {
		w.failure = true
		w.add("Message", oneOf(s, documentHarmless...))
	}
	for range s.upTo(3) {
		w.add(fmt.Sprintf("Other%d", len(w.fields)), oneOf(s, documentHarmless...))
	}
	if s.upTo(6) == 5 {
		w.addSign()
	}
	for i := range w.fields { // in any order
		j := i + s.upTo(len(w.fields)-i)
		w.fields[i], w.fields[j] = w.fields[j], w.fields[i]
	}
	if s.upTo(6) == 5 && len(w.fields) > 0 {
		w.repeat()
	}
	if w.xml {
		w.writeXML()
	} else {
		w.writeJSON()
	}
	return w
}

func (w *documentWriter) add(name, value string) {
	w.fields = append(w.fields, documentField{name: name, value: value})
}

// addSign adds what speaks of failure without a code.
func (w *documentWriter) addSign() {
	name := oneOf(w.script, "Success", "ErrorCode", "Errors", "Description", "error", "FailureReason", "Exception")
	value := oneOf(w.script, "false", "", "InternalError", "true")
	w.failure = w.failure || name != "Success" || value != "true"
	w.add(name, value)
}

// repeat adds a field once more, in any case.
func (w *documentWriter) repeat() {
	f := oneOf(w.script, w.fields...)
	f.name, f.value = w.recase(f.name), oneOf(w.script, "Throttling", "", f.value)
	w.fields = append(w.fields, f)
	w.unreadable = true
}

// recase writes some letters in the other case.
func (w *documentWriter) recase(name string) string {
	return strings.Map(func(r rune) rune {
		switch w.upTo(4) {
		case 1:
			return unicode.ToUpper(r)
		case 2:
			return unicode.ToLower(r)
		}
		return r
	}, name)
}

func (w *documentWriter) space() string { return oneOf(w.script, "", "", "", " ", "\n", "\t", "\r\n ") }

// writeJSON writes the fields as an object.
func (w *documentWriter) writeJSON() {
	for i, f := range w.fields {
		switch w.upTo(24) {
		case 23: // as what is neither a text nor a number
			w.fields[i].value, w.fields[i].raw = oneOf(w.script, `{"Code":"Throttling"}`, `["R"]`, "true", "[{}]"), true
			w.unreadable = w.unreadable || w.isOurs(f.name)
			w.unusual = true
			w.recount()
		case 22: // as if it were not there
			w.fields[i].value, w.fields[i].raw = "null", true
			switch f.name {
			case "RequestId":
				w.requestID = ""
			case "Code":
				w.code = ""
			}
			w.recount()
		case 0, 1, 2, 3, 4, 5:
			w.fields[i].name = w.recase(f.name)
		}
	}
	if w.upTo(4) == 3 {
		nested := `{"Code":"Throttling","RequestId":"S","Code":"InternalError","Success":false}`
		w.fields = append(w.fields, documentField{name: "Data", value: oneOf(w.script, nested, "["+nested+"]", strings.Repeat("[", 50)+nested+strings.Repeat("]", 50)), raw: true})
	}
	var b strings.Builder
	b.WriteString(w.space() + "{")
	for i, f := range w.fields {
		if i > 0 {
			b.WriteString("," + w.space())
		}
		value := f.value
		if !f.raw {
			value = w.quote(f.value)
		}
		b.WriteString(w.quote(f.name) + w.space() + ":" + w.space() + value + w.space())
	}
	b.WriteString("}")
	w.text = b.String()
	if w.upTo(8) == 7 {
		w.text = "\ufeff" + w.text
	}
	w.spoil([]string{`{}`, "x", `{"Code":"InternalError"}`, "]", "\x00", "//", "\ufeff"}, []string{"[", `"`, "\ufeff\ufeff", "/**/", "x"})
}

// recount finds out again what speaks of failure, after a value was replaced.
func (w *documentWriter) recount() {
	w.failure = false
	for _, f := range w.fields {
		name := strings.ToLower(f.name)
		speaks := !strings.HasPrefix(name, "other") && name != "requestid" && (name != "success" || f.value != "true")
		w.failure = w.failure || speaks && f.value != "null"
	}
}

func (w *documentWriter) isOurs(name string) bool {
	return name == "RequestId" || name == "Code" || name == "Message" || name == "Description"
}

// quote writes a JSON string, some of its characters as escapes.
func (w *documentWriter) quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		if w.upTo(16) == 15 && r < 0x10000 {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		quoted, _ := json.Marshal(string(r))
		b.Write(quoted[1 : len(quoted)-1])
	}
	b.WriteByte('"')
	return b.String()
}

// writeXML writes the fields as the children of a root.
func (w *documentWriter) writeXML() {
	root := oneOf(w.script, "Error", "RebootInstanceResponse", "RebootInstanceResponse")
	w.failure = w.failure || root == "Error"
	if w.upTo(12) == 11 {
		root = oneOf(w.script, "ErrorResponse", "Response", "error", "StartInstanceResponse", "rebootinstanceresponse", "html", "DescribeInstancesResponse", "Errors")
		w.unreadable = true
	}
	for i, f := range w.fields {
		if other := w.recase(f.name); other != f.name && w.upTo(24) == 23 {
			w.fields[i].name = other // which is none that means anything, though it may speak of failure
			switch f.name {
			case "RequestId":
				w.requestID = ""
			case "Code":
				w.code = ""
			}
		}
	}
	open, end := root, root
	if w.upTo(24) == 23 {
		w.unreadable = true
		open, end = "a:"+root+` xmlns:a="u"`, "a:"+root
	} else if w.upTo(24) == 23 {
		w.unreadable = true
		open += ` xmlns="u"`
	}
	var b strings.Builder
	b.WriteString(w.space() + oneOf(w.script, "", `<?xml version="1.0" encoding="UTF-8"?>`, "<?xml version='1.0'?>") + w.space())
	w.aside(&b)
	b.WriteString("<" + open + ">")
	for _, f := range w.fields {
		w.writeChild(&b, f)
	}
	if w.upTo(24) == 23 {
		w.unreadable = true
		b.WriteString(oneOf(w.script, "text", "&amp;", "<a:Code>Throttling</a:Code>", "<Data><Code>Throttling</Code></Data>", "<Other><RequestId>S</RequestId></Other>", "&nbsp;", "<Code>"))
	}
	b.WriteString("</" + end + ">" + w.space())
	w.aside(&b)
	w.text = b.String()
	if strings.HasPrefix(strings.TrimLeft(w.text, " \r\n\t"), "<?xml") && !strings.HasPrefix(w.text, "<?xml") {
		w.unusual = true // XML wants it at the beginning
	}
	w.spoil([]string{"x", "<Error/>", "{}", "<", "</Error>", "<Error><Code>InternalError</Code></Error>", "\x00"}, []string{"x", "<", "\ufeffx", "{}", "<a/>"})
}

// writeChild writes one child. Names are those of the service in one case only: in
// another, they are others.
func (w *documentWriter) writeChild(b *strings.Builder, f documentField) {
	b.WriteString(w.space())
	w.aside(b)
	name, open := f.name, f.name
	if w.upTo(24) == 23 {
		open += oneOf(w.script, ` a="b"`, ` xmlns="u"`, ` xml:lang="en"`)
		w.unusual = true
	}
	if w.upTo(32) == 31 {
		name, open = "a:"+name, "a:"+open
		w.unreadable = true
	}
	if f.value == "" && w.is() {
		b.WriteString("<" + open + oneOf(w.script, "/>", " />"))
		return
	}
	b.WriteString("<" + open + oneOf(w.script, ">", " >", "\n>"))
	switch how := w.upTo(24); {
	case how == 21 && !strings.Contains(f.value, "]]>"):
		b.WriteString("<![CDATA[" + f.value + "]]>")
		w.unreadable = true
	case how == 22:
		b.WriteString(w.escape(f.value) + oneOf(w.script, "<b>x</b>", "<b/>", "<Code>Throttling</Code>"))
		w.unreadable = true
	case how == 23:
		half := len(f.value) / 2
		for half > 0 && f.value[half]&0xc0 == 0x80 {
			half--
		}
		b.WriteString(w.escape(f.value[:half]) + oneOf(w.script, "<!-- x -->", "<?x y?>", "<!--<Code>Throttling</Code>-->") + w.escape(f.value[half:]))
		w.unusual = true
	default:
		b.WriteString(w.escape(f.value))
	}
	b.WriteString("</" + name + oneOf(w.script, ">", " >"))
}

// aside writes, mostly not, what says nothing but that somebody else is at work.
func (w *documentWriter) aside(b *strings.Builder) {
	if w.upTo(48) == 47 {
		b.WriteString(oneOf(w.script, "<!-- <Code>Throttling</Code> -->", "<!-- <RequestId>S</RequestId> -->", "<?x <Code>Throttling</Code> ?>", "<!---->"))
		w.unusual = true
	}
}

// escape writes a text of XML, some of its characters as references.
func (w *documentWriter) escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		named := map[rune]string{'<': "&lt;", '>': "&gt;", '&': "&amp;", '"': "&quot;", '\'': "&apos;"}[r]
		switch {
		case w.upTo(16) == 15:
			b.WriteString(oneOf(w.script, fmt.Sprintf("&#%d;", r), fmt.Sprintf("&#x%X;", r)))
		case named != "":
			b.WriteString(named)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// spoil cuts the text short, or adds something before or behind it.
func (w *documentWriter) spoil(behind, before []string) {
	switch w.upTo(24) {
	case 21:
		whole := strings.TrimRight(w.text, " \r\n\t")
		w.text = whole[:w.upTo(256)*len(whole)/256]
		w.unreadable = true
	case 22:
		w.text += oneOf(w.script, behind...)
		w.unreadable = true
	case 23:
		w.text = oneOf(w.script, before...) + w.text
		w.unreadable = true
	}
}
