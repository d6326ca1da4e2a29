package ecsreboot

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// declaredCodes reads the constants of codes.go with their comments.
func declaredCodes(t *testing.T) map[ErrorCode]struct{ name, comment string } {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, parser.ParseComments)
	require.NoError(t, err)
	codes := make(map[ErrorCode]struct{ name, comment string })
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			constant := spec.(*ast.ValueSpec)
			value, err := strconv.Unquote(constant.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			require.NotContains(t, codes, ErrorCode(value), "declared twice")
			codes[ErrorCode(value)] = struct{ name, comment string }{constant.Names[0].Name, strings.TrimSpace(constant.Doc.Text())}
		}
	}
	return codes
}

// The catalogue and the constants are one: each entry has a constant of the name
// that the rule gives it, and its comment says what the entry says.
func TestCatalogueDrivesTheConstants(t *testing.T) {
	declared := declaredCodes(t)
	seen := make(map[ErrorCode]bool)
	for _, entry := range catalogue() {
		assert.False(t, seen[entry.code], "%s stands twice in the catalogue", entry.code)
		seen[entry.code] = true
		got := declared[entry.code]
		name := "Err" + strings.NewReplacer(".", "", "Id", "ID").Replace(string(entry.code))
		assert.Equal(t, name, got.name)
		assert.Equal(t, fmt.Sprintf("%s is %s (HTTP %d): %s. %s", name, string(entry.code), entry.status, entry.meaning, entry.advice), got.comment)
		assert.Equal(t, entry.advice, entry.code.Advice())
		assert.False(t, isThrottlingCode(entry.code), "throttling codes have no constants")
	}
	assert.Len(t, declared, len(catalogue()), "a constant is missing in the catalogue")
}

// What neither the operation's documentation nor the common codes list has a source.
func TestCodesOfOthersHaveASource(t *testing.T) {
	sources := make(map[ErrorCode]string)
	for _, entry := range catalogue() {
		sources[entry.code] = entry.source
	}
	for _, code := range []ErrorCode{
		ErrRejectedThrottling, ErrSystemBusy, ErrInvalidOperationNotSupportedEndpoint, ErrInvalidInstanceNotFound,
		ErrInvalidInstanceIDsNotFound, ErrInvalidInstanceIDsMalformed,
	} {
		assert.NotEmpty(t, sources[code], code)
		assert.NotEmpty(t, code.Advice())
	}
}

// The codes that the operation's documentation lists are all there.
func TestDocumentedCodes(t *testing.T) {
	statuses := make(map[ErrorCode]int)
	for _, entry := range catalogue() {
		statuses[entry.code] = entry.status
	}
	for code, status := range map[ErrorCode]int{
		"IncorrectInstanceStatus": 403, "InstanceLockedForSecurity": 403, "DiskError": 403, "InstanceExpiredOrInArrears": 403,
		"InvalidParameter.KMSKeyId.CMKUnauthorized": 403, "InvalidParameter.KMSKeyId.CMKNotEnabled": 403,
		"InvalidParameter.KMSKeyId.KMSUnauthorized": 403, "InvalidParameter.KMSKeyId.NotFound": 404,
		"InvalidInstanceId.NotFound": 404, "InternalError": 500, "LimitedOperation.ServiceUnavailable": 503, "DryRunOperation": 400,
	} {
		assert.Equal(t, status, statuses[code], code)
	}
}

func TestAdvice(t *testing.T) {
	assert.Contains(t, ErrorCode("Throttling.User").Advice(), "next minute")
	assert.Contains(t, ErrInstanceLockedForSecurity.Advice(), "lock")
	assert.Empty(t, ErrorCode("Some.New.Code").Advice())
	for code, want := range map[ErrorCode]string{
		"Rejected.Throttling": "Look at the instance", "SystemBusy": "Look at the instance", "RequestTimeout": "Look at the instance",
		"internalerror": "Look at the instance", "InternalError.Dispatch": "Look at the instance",
		"InvalidOperation.NotSupportedEndpoint": "WithEndpoint", "InvalidInstance.NotFound": "Check the id",
		"InvalidInstanceIds.NotFound": "Check the ids", "InvalidInstanceIds.Malformed": "Check the ids", "InvalidInstanceIds.ValueNotSupported": "Check the ids",
	} {
		assert.Contains(t, code.Advice(), want, code)
	}
	assert.Equal(t, "ecsreboot: DiskError", ErrDiskError.Error())
}

// An answer belongs to the class of its catalogue entry, or that which the
// beginning of its code tells.
func TestClasses(t *testing.T) {
	classes := []error{ErrThrottled, ErrUnauthenticated, ErrAccessDenied, ErrKMSKey, ErrCredentials, ErrInvalidInput}
	check := func(answer *APIError, want error) {
		t.Helper()
		for _, class := range classes {
			assert.Equal(t, class == want, answer.Is(class), "%s %s: %v", answer.Code, answer.Message, class) //nolint:errorlint // sentinels
		}
	}
	for _, entry := range catalogue() {
		check(&APIError{Code: entry.code, StatusCode: entry.status}, entry.class)
	}
	for code, want := range map[ErrorCode]error{
		"":                                   nil,
		"Throttling":                         ErrThrottled,
		"Throttling.User":                    ErrThrottled,
		"Throttling.Api":                     ErrThrottled,
		"Throttling.ConcurrentLimitExceeded": ErrThrottled,
		"ThrottlingNot":                      nil,
		"InvalidAccessKeyId.New":             ErrUnauthenticated,
		"InvalidSecurityToken.New":           ErrUnauthenticated,
		"Forbidden":                          ErrAccessDenied,
		"Forbidden.RiskControl":              ErrAccessDenied,
		"NoPermission":                       ErrAccessDenied,
		"Forbidden.InstanceNotFound":         nil,
		"InvalidParameter.KMSKeyId.New":      ErrKMSKey,
		"Some.New.Code":                      nil,
	} {
		check(&APIError{Code: code, StatusCode: 400}, want)
	}
	check(&APIError{Code: "Throttling", StatusCode: 503}, ErrThrottled)
	check(&APIError{Code: "Throttling", StatusCode: 500}, nil)
	// ECS's older layer tells of tokens in messages.
	check(&APIError{Code: "InvalidParameter", Message: `The specified parameter "SecurityToken.Expired" is not valid.`}, ErrUnauthenticated)
	check(&APIError{Code: "MissingParameter", Message: `The input parameter "SecurityToken" that is mandatory for processing this request is not supplied.`}, ErrUnauthenticated)
	check(&APIError{Code: "Custom", AccessDenied: AccessDenied{Action: "ecs:RebootInstance", NoPermissionType: "ImplicitDeny"}}, ErrAccessDenied)
}
