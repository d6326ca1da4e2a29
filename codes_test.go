package ecsreboot

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// describedCode is what a constant of codes.go and its comment say.
type describedCode struct {
	name    string // of the constant
	status  int    // the HTTP status that the service documents
	meaning string
}

// describedCodes reads the constants of codes.go. The comment of each has one form.
func describedCodes(t *testing.T) map[ErrorCode]describedCode {
	t.Helper()
	form := regexp.MustCompile(`^(\w+) is (\S+) \(HTTP (\d{3})\): (.+)\.$`)
	file, err := parser.ParseFile(token.NewFileSet(), "codes.go", nil, parser.ParseComments)
	require.NoError(t, err)
	codes := make(map[ErrorCode]describedCode)
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			constant := spec.(*ast.ValueSpec)
			if kind, ok := constant.Type.(*ast.Ident); !ok || kind.Name != "ErrorCode" {
				continue
			}
			value, err := strconv.Unquote(constant.Values[0].(*ast.BasicLit).Value)
			require.NoError(t, err)
			require.NotContains(t, codes, ErrorCode(value), "declared twice")
			comment := form.FindStringSubmatch(strings.TrimSpace(constant.Doc.Text()))
			require.NotNil(t, comment, "the comment of %s", value)
			require.Equal(t, constant.Names[0].Name, comment[1])
			require.Equal(t, value, comment[2])
			status, err := strconv.Atoi(comment[3])
			require.NoError(t, err)
			codes[ErrorCode(value)] = describedCode{comment[1], status, comment[4]}
		}
	}
	require.Greater(t, len(codes), 50)
	return codes
}

// Each constant has the name that the rule gives it, and a row with advice.
func TestConstantsHaveRows(t *testing.T) {
	for code, described := range describedCodes(t) {
		assert.Equal(t, "Err"+strings.NewReplacer(".", "", "Id", "ID").Replace(string(code)), described.name)
		row := rowOf(code, "")
		assert.Equal(t, code, row.code, "it has the row of a family")
		assert.NotEmpty(t, row.advice, code)
		assert.Equal(t, row.advice, code.Advice())
		assert.NotEqual(t, effectThrottled, row.effect, "throttling codes have no constants")
	}
}

// No row hides another, and each says where it is from.
func TestRowsAreReached(t *testing.T) {
	for i := range codeTable {
		row := &codeTable[i]
		assert.NotEmpty(t, row.source, row.code)
		assert.Less(t, 0, len(row.code))
		found := rowOf(row.code, `The specified parameter "`+row.parameter+`.Expired" is not valid.`)
		assert.Equal(t, *row, found, "another row stands before it")
	}
}

// A row that stands before the row of its family has the family's class, with two
// exceptions.
func TestRowsAgreeWithTheirFamily(t *testing.T) {
	others := map[ErrorCode]error{ErrForbiddenAccessKeyDisabled: ErrUnauthenticated, ErrForbiddenInstanceNotFound: nil}
	for i := range codeTable {
		row := &codeTable[i]
		for n := i + 1; n < len(codeTable); n++ {
			if family := &codeTable[n]; row.parameter == "" && family.matches(row.code, "") {
				want, isOther := others[row.code]
				if !isOther {
					want = family.class
				}
				assert.Equal(t, want, row.class, row.code)
				assert.Equal(t, family.effect, row.effect, row.code)
			}
		}
	}
}

// The rules of matching: case, subcodes and everything that begins so.
func TestRowsMatch(t *testing.T) {
	const token = `The specified parameter "SecurityToken.Expired" is not valid.`
	for _, c := range []struct {
		code    ErrorCode
		message string
		want    ErrorCode // of the row
	}{
		{"", "", ""},
		{"DiskError", "", ErrDiskError},
		{"DiskError.Sub", "", ""},
		{"diskerror", "", ""},
		{"DiskErro", "", ""},
		{"Throttling", "", "Throttling"},
		{"Throttling.User", "", "Throttling"},
		{"ThrottlingUser", "", ""},
		{"THROTTLING", "", ""},
		{"Throttling.\u200bUser", "", ""},
		{"Throttling.User ", "", ""},
		{"internalERROR", "", ErrInternalError},
		{"InternalError.Dispatch", "", ErrInternalError},
		{"InternalErrors", "", ""},
		{"requesttimeout.Backend", "", "RequestTimeout"},
		{"ServiceUnavailableTemporary", "", ErrServiceUnavailable},
		{"serviceunavailable", "", ErrServiceUnavailable},
		{"ServiceUnavailable.RegionMaintaining", "", ErrServiceUnavailableRegionMaintaining},
		{"signatureNONCEused", "", ErrSignatureNonceUsed},
		{"illegaltimestamp", "", ""},
		{"InvalidAccessKeyId", "", ErrInvalidAccessKeyID},
		{"InvalidAccessKeyId.New", "", "InvalidAccessKeyId."},
		{"Forbidden.RAM", "", ErrForbiddenRAM},
		{"Forbidden.New", "", "Forbidden"},
		{"ForbiddenNew", "", ""},
		{"InvalidParameter.KMSKeyId", "", ""},
		{"InvalidParameter.KMSKeyId.New", "", "InvalidParameter.KMSKeyId."},
		{"InvalidInstanceIds", "", ""},
		{"InvalidInstanceIds.New", "", "InvalidInstanceIds."},
		{"InvalidParameter", token, ErrInvalidParameter},
	} {
		assert.Equal(t, c.want, rowOf(c.code, c.message).code, "%q", c.code)
	}
	assert.Equal(t, "SecurityToken", rowOf(ErrInvalidParameter, token).parameter)
	assert.Empty(t, rowOf(ErrInvalidParameter, "the SecurityToken").parameter, "no parameter is quoted")
	assert.Empty(t, rowOf(ErrDiskError, token).parameter)
}

// What neither the operation's documentation nor the common codes list has a source.
func TestCodesOfOthersHaveASource(t *testing.T) {
	for _, code := range []ErrorCode{
		ErrRejectedThrottling, ErrSystemBusy, ErrInvalidOperationNotSupportedEndpoint, ErrInvalidInstanceNotFound,
		ErrInvalidInstanceIDsNotFound, ErrInvalidInstanceIDsMalformed,
	} {
		assert.NotEmpty(t, rowOf(code, "").source, code)
		assert.NotEmpty(t, code.Advice())
	}
}

// The codes that the operation's documentation lists are all there.
func TestDocumentedCodes(t *testing.T) {
	described := describedCodes(t)
	for code, status := range map[ErrorCode]int{
		"IncorrectInstanceStatus": 403, "InstanceLockedForSecurity": 403, "DiskError": 403, "InstanceExpiredOrInArrears": 403,
		"InvalidParameter.KMSKeyId.CMKUnauthorized": 403, "InvalidParameter.KMSKeyId.CMKNotEnabled": 403,
		"InvalidParameter.KMSKeyId.KMSUnauthorized": 403, "InvalidParameter.KMSKeyId.NotFound": 404,
		"InvalidInstanceId.NotFound": 404, "InternalError": 500, "LimitedOperation.ServiceUnavailable": 503, "DryRunOperation": 400,
	} {
		assert.Equal(t, status, described[code].status, code)
		assert.Equal(t, fromReboot, rowOf(code, "").source, code)
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

// An answer belongs to the class of its code, or of the code's family.
func TestClasses(t *testing.T) {
	classes := []error{ErrThrottled, ErrUnauthenticated, ErrAccessDenied, ErrKMSKey, ErrCredentials, ErrInvalidInput}
	check := func(answer *APIError, want error) {
		t.Helper()
		for _, class := range classes {
			assert.Equal(t, class == want, answer.Is(class), "%s %s: %v", answer.Code, answer.Message, class) //nolint:errorlint // sentinels
		}
	}
	documented := map[ErrorCode]error{
		ErrInvalidParameterKMSKeyIDCMKUnauthorized: ErrKMSKey, ErrInvalidParameterKMSKeyIDCMKNotEnabled: ErrKMSKey,
		ErrInvalidParameterKMSKeyIDKMSUnauthorized: ErrKMSKey, ErrInvalidParameterKMSKeyIDNotFound: ErrKMSKey,
		ErrInvalidAccessKeyID: ErrUnauthenticated, ErrInvalidAccessKeyIDNotFound: ErrUnauthenticated, ErrInvalidAccessKeyIDInactive: ErrUnauthenticated,
		ErrForbiddenAccessKeyDisabled: ErrUnauthenticated, ErrSignatureDoesNotMatch: ErrUnauthenticated, ErrIncompleteSignature: ErrUnauthenticated,
		ErrInvalidSecurityTokenExpired: ErrUnauthenticated, ErrInvalidSecurityTokenMalformed: ErrUnauthenticated,
		ErrInvalidSecurityTokenMismatchWithAccessKey: ErrUnauthenticated, ErrMissingSecurityToken: ErrUnauthenticated,
		ErrForbiddenRAM: ErrAccessDenied, ErrForbiddenUnauthorized: ErrAccessDenied, ErrForbiddenSubUser: ErrAccessDenied,
	}
	for code, described := range describedCodes(t) {
		check(&APIError{Code: code, StatusCode: described.status}, documented[code])
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
	// ECS's older layer names the token in the message, not in the code.
	check(&APIError{Code: "InvalidParameter", Message: `The specified parameter "SecurityToken.Expired" is not valid.`}, ErrUnauthenticated)
	check(&APIError{Code: "MissingParameter", Message: `The input parameter "SecurityToken" that is mandatory for processing this request is not supplied.`}, ErrUnauthenticated)
	check(&APIError{Code: "InvalidParameter", Message: `The specified parameter "Tag" is not valid.`}, nil)
	// A missing permission in the detail is a class of its own, unless the code is certain.
	detail := AccessDenied{Action: "ecs:RebootInstance", NoPermissionType: "ImplicitDeny"}
	for code, want := range map[ErrorCode]error{
		"Custom": ErrAccessDenied, "": ErrAccessDenied, ErrDiskError: ErrAccessDenied, ErrInvalidParameterKMSKeyIDNotFound: ErrAccessDenied,
		ErrForbiddenInstanceNotFound: nil, ErrInvalidAccessKeyIDInactive: ErrUnauthenticated, "Throttling.User": ErrThrottled,
	} {
		check(&APIError{Code: code, AccessDenied: detail}, want)
	}
	check(&APIError{Code: "Throttling", StatusCode: 500, AccessDenied: detail}, nil)
}
