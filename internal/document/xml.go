package document

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// readXML reads a document of two levels: a root, and children that hold a text
// each. Only AccessDeniedDetail holds children of its own, and so does a list, at any
// depth, if it is the page of a list; the name of the list is "" otherwise. Attributes, namespaces,
// comments, CDATA, processing instructions and DTDs are not used by the service, and
// what reads them differs from reader to reader: with one of them, nothing is read.
func readXML(body []byte, list string) (root member, ok bool) {
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
			mayNest := depth == 0 && root.name == "" || depth == 1 || depth == 2 && open[1].name == "AccessDeniedDetail" ||
				depth > 1 && depth < maxDepth && list != "" && open[0].name != "Error" && open[1].name == list
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

// maxDepth is above the depth of any page of the service.
const maxDepth = 16

// JSON returns what the XML page of a list would be as JSON. In XML, an element that is
// empty or holds one element does not tell what it is, so shapes names the elements that
// hold a list, with the name of its items, and those that are objects, with "". All other
// elements hold a text, or are objects if they hold elements. An element that occurs twice
// is twice in the JSON, too, unless it is an item.
//
// [Read] has accepted the page, with the same list.
func JSON(page []byte, list string, shapes map[string]string) ([]byte, bool) {
	root, ok := readXML(page, list)
	if !ok {
		return nil, false
	}
	return appendJSON(nil, root, true, shapes), true
}

func appendJSON(text []byte, m member, object bool, shapes map[string]string) []byte {
	item, shaped := shapes[m.name]
	if !object && m.nested == nil && (!shaped || !isSpace(m.text)) {
		return appendText(text, m.text)
	}
	var items []byte
	text = append(text, '{')
	separate := func(text []byte, first bool) []byte {
		if first {
			return text
		}
		return append(text, ',')
	}
	first := true
	for _, inner := range m.nested {
		if item != "" && inner.name == item {
			items = appendJSON(separate(items, items == nil), inner, false, shapes)
			continue
		}
		text = appendText(separate(text, first), inner.name)
		text = appendJSON(append(text, ':'), inner, false, shapes)
		first = false
	}
	if item != "" {
		text = appendText(separate(text, first), item)
		text = append(append(append(text, ":["...), items...), ']')
	}
	return append(text, '}')
}

func appendText(text []byte, value string) []byte {
	quoted, _ := json.Marshal(value) // a string always has JSON
	return append(text, quoted...)
}

func isSpace(text string) bool { return strings.Trim(text, " \t\r\n") == "" }
