package document

import "strings"

// failureSigns is the list of what speaks of failure: a document with one of these
// members is no success, whatever its status. A success has a RequestId and the data
// that was asked for; only the errors of the service, and of gateways and proxies in
// front of it, have these. A member that is null is absent; an empty one is there.
var failureSigns = [...]struct {
	word    string // folded
	in      func(name, word string) bool
	notTrue bool // speaks of failure unless its value is true
}{
	{"CODE", equal, false},
	{"MESSAGE", equal, false},
	{"MSG", equal, false},
	{"DESCRIPTION", equal, false},
	{"RECOMMEND", equal, false},
	{"ACCESSDENIEDDETAIL", equal, false},
	{"ERR", strings.HasPrefix, false},  // errors, errCode, ErrMsg
	{"ERROR", strings.Contains, false}, // ErrorCode, lastError
	{"FAULT", strings.HasPrefix, false},
	{"FAIL", strings.Contains, false}, // Failed, FailureReason
	{"EXCEPTION", strings.Contains, false},
	{"SUCCESS", strings.Contains, true}, // isSuccess, Successful
	{"SUCCEEDED", equal, true},
	{"OK", equal, true},
}

func equal(a, b string) bool { return a == b }

func speaksOfFailure(m member) bool {
	if m.kind == kindNull {
		return false
	}
	name := string(fold(nil, []byte(m.name)))
	for _, sign := range failureSigns {
		if sign.in(name, sign.word) && (!sign.notTrue || !strings.EqualFold(m.text, "true")) {
			return true
		}
	}
	return false
}
