package document

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// readXML reads a document of two levels: a root, and children that hold a text
// each. Only AccessDeniedDetail holds children of its own. Attributes, namespaces,
// comments, CDATA, processing instructions and DTDs are not used by the service, and
// what reads them differs from reader to reader: with one of them, nothing is read.
func readXML(body []byte) (root member, ok bool) {
	if bytes.Contains(body, []byte("<![CDATA[")) { // its token would look like a text
		return member{}, false
	}
	decoder := xml.NewDecoder(bytes.NewReader(body))
	var open []member
	for first := true; ; first = false {
		token, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF):
			return root, root.name != ""
		case err != nil:
			return member{}, false
		}
		depth := len(open)
		switch token := token.(type) {
		case xml.ProcInst:
			if !first || token.Target != "xml" {
				return member{}, false
			}
		case xml.StartElement:
			mayNest := depth == 0 && root.name == "" || depth == 1 || depth == 2 && open[1].name == "AccessDeniedDetail"
			if !mayNest || token.Name.Space != "" || len(token.Attr) > 0 {
				return member{}, false
			}
			open = append(open, member{name: token.Name.Local, kind: kindText})
		case xml.CharData:
			if depth > 1 && open[depth-1].nested == nil {
				open[depth-1].text += string(token)
			} else if !isSpace(string(token)) {
				return member{}, false // a text beside the root or beside children
			}
		case xml.EndElement:
			closed := open[depth-1]
			open = open[:depth-1]
			if closed.nested != nil && !isSpace(closed.text) {
				return member{}, false // a text before children
			}
			if depth == 1 {
				root = closed
			} else {
				open[depth-2].nested = append(open[depth-2].nested, closed)
			}
		default: // a comment or a directive
			return member{}, false
		}
	}
}

func isSpace(text string) bool { return strings.Trim(text, " \t\r\n") == "" }
