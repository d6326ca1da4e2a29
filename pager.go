package ecsreboot

import (
	"errors"
	"fmt"
)

const (
	// maxListPages bounds a list of all instances: a million of them, 100 a page.
	maxListPages = 10_000
	// spareListPages is how many pages more than instances a list of IDs may have. The
	// service lists 100 instances a page, but may list fewer.
	spareListPages = 10
	// maxEmptyPages is how many pages in a row may list nothing.
	maxEmptyPages = 10
)

// pager follows the page tokens of one list, which a faulty service might never end.
type pager struct {
	tokens       map[string]bool
	pages, empty int
}

// follow puts the token of the next page into the query, and reports whether there is one.
// The error ends a list that has no end.
func (p *pager) follow(q *query, page instancePage) (more bool, err error) {
	p.pages++
	p.empty++
	if len(page.instances) > 0 {
		p.empty = 0
	}
	limit := maxListPages
	if q.ids != nil {
		limit = len(q.ids) + spareListPages
	}
	switch {
	case page.nextToken == "":
		return false, nil
	case p.tokens[page.nextToken]:
		err = errors.New("the service returned the same page token twice")
	case p.empty >= maxEmptyPages:
		err = fmt.Errorf("the service returned %d empty pages in a row", p.empty)
	case p.pages >= limit:
		err = fmt.Errorf("the list has not ended after %d pages", p.pages)
	}
	if err != nil {
		return false, &OperationError{Operation: "DescribeInstances", Err: err}
	}
	if p.tokens == nil {
		p.tokens = make(map[string]bool)
	}
	q.token = page.nextToken
	p.tokens[q.token] = true
	return true, nil
}
