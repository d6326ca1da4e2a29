package report

import (
	"crypto/sha256"
	_ "embed" // the parts of the page
	"encoding/base64"
	"html/template"
	"strings"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

var page = template.Must(template.New("page").
	Funcs(template.FuncMap{"number": number, "count": count}).
	Parse(strings.NewReplacer("/*style*/", pageStyle, "/*script*/", pageScript, "SCRIPT-HASH", hash(pageScript)).Replace(pageText)))

// hash names a script in a content security policy.
func hash(script string) string {
	sum := sha256.Sum256([]byte(script))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
