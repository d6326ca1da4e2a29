package ecsreboot

import "strings"

// ErrorCode is an error code of the service, spelled as in the response. An ErrorCode is
// an error itself: errors.Is(err, [ErrInstanceLockedForSecurity]) reports whether err, an
// error of this package, holds a response with that code. A code without a constant works
// the same way: errors.Is(err, ErrorCode("Some.New.Code")). The empty code matches
// nothing.
//
// The constants below are the codes. The other errors named Err are variables: outcomes
// such as [ErrNotSent], and classes of codes such as [ErrThrottled]. The codes of
// ErrThrottled have no constants. Rejected.Throttling has one ([ErrRejectedThrottling]),
// and does not belong to ErrThrottled, because it does not say whether the service acted.
type ErrorCode string

// Error returns the code with this package's prefix.
func (c ErrorCode) Error() string { return prefix + string(c) }

// Advice returns what the caller of a restart can do about the code, in one or two
// sentences. The text is empty if this package does not know the code.
func (c ErrorCode) Advice() string { return rowOf(c, "").advice }

// Error codes that the vendor documents for RebootInstance.
const (
	// ErrIncorrectInstanceStatus is IncorrectInstanceStatus (HTTP 403): the instance is not Running, so it cannot be restarted.
	ErrIncorrectInstanceStatus ErrorCode = "IncorrectInstanceStatus"
	// ErrInstanceLockedForSecurity is InstanceLockedForSecurity (HTTP 403): the instance is locked for security reasons.
	ErrInstanceLockedForSecurity ErrorCode = "InstanceLockedForSecurity"
	// ErrDiskError is DiskError (HTTP 403): a disk of the instance is in a state that does not allow the operation.
	ErrDiskError ErrorCode = "DiskError"
	// ErrInstanceExpiredOrInArrears is InstanceExpiredOrInArrears (HTTP 403): the subscription has expired or the account is in arrears.
	ErrInstanceExpiredOrInArrears ErrorCode = "InstanceExpiredOrInArrears"
	// ErrInvalidParameterKMSKeyIDCMKUnauthorized is InvalidParameter.KMSKeyId.CMKUnauthorized (HTTP 403): the KMS key of an encrypted disk may not be used.
	ErrInvalidParameterKMSKeyIDCMKUnauthorized ErrorCode = "InvalidParameter.KMSKeyId.CMKUnauthorized"
	// ErrInvalidParameterKMSKeyIDCMKNotEnabled is InvalidParameter.KMSKeyId.CMKNotEnabled (HTTP 403): the KMS key of an encrypted disk is not enabled.
	ErrInvalidParameterKMSKeyIDCMKNotEnabled ErrorCode = "InvalidParameter.KMSKeyId.CMKNotEnabled"
	// ErrInvalidParameterKMSKeyIDKMSUnauthorized is InvalidParameter.KMSKeyId.KMSUnauthorized (HTTP 403): ECS may not access KMS.
	ErrInvalidParameterKMSKeyIDKMSUnauthorized ErrorCode = "InvalidParameter.KMSKeyId.KMSUnauthorized"
	// ErrInvalidParameterKMSKeyIDNotFound is InvalidParameter.KMSKeyId.NotFound (HTTP 404): the KMS key of an encrypted disk does not exist.
	ErrInvalidParameterKMSKeyIDNotFound ErrorCode = "InvalidParameter.KMSKeyId.NotFound"
	// ErrInvalidInstanceIDNotFound is InvalidInstanceId.NotFound (HTTP 404): no such instance in this region and account.
	ErrInvalidInstanceIDNotFound ErrorCode = "InvalidInstanceId.NotFound"
	// ErrInternalError is InternalError (HTTP 500): the service failed, perhaps after it acted.
	ErrInternalError ErrorCode = "InternalError"
	// ErrLimitedOperationServiceUnavailable is LimitedOperation.ServiceUnavailable (HTTP 503): the service is unavailable for the moment.
	ErrLimitedOperationServiceUnavailable ErrorCode = "LimitedOperation.ServiceUnavailable"
	// ErrDryRunOperation is DryRunOperation (HTTP 400): a dry run passed; a call that asked for one returns a nil error instead.
	ErrDryRunOperation ErrorCode = "DryRunOperation"
)

// Error codes that are common to all operations, and that the caller of a restart can do
// something about.
const (
	// ErrUnknownError is UnknownError (HTTP 400): the service failed for an unknown reason, perhaps after it acted.
	ErrUnknownError ErrorCode = "UnknownError"
	// ErrServiceUnavailable is ServiceUnavailable (HTTP 503): the service is unavailable for the moment.
	ErrServiceUnavailable ErrorCode = "ServiceUnavailable"
	// ErrServiceUnavailableRegionMaintaining is ServiceUnavailable.RegionMaintaining (HTTP 503): the region is under maintenance.
	ErrServiceUnavailableRegionMaintaining ErrorCode = "ServiceUnavailable.RegionMaintaining"
	// ErrInvalidAccessKeyID is InvalidAccessKeyId (HTTP 403): the access key is unknown or invalid.
	ErrInvalidAccessKeyID ErrorCode = "InvalidAccessKeyId"
	// ErrInvalidAccessKeyIDNotFound is InvalidAccessKeyId.NotFound (HTTP 404): there is no such access key.
	ErrInvalidAccessKeyIDNotFound ErrorCode = "InvalidAccessKeyId.NotFound"
	// ErrInvalidAccessKeyIDInactive is InvalidAccessKeyId.Inactive (HTTP 400): the access key is disabled.
	ErrInvalidAccessKeyIDInactive ErrorCode = "InvalidAccessKeyId.Inactive"
	// ErrForbiddenAccessKeyDisabled is Forbidden.AccessKeyDisabled (HTTP 403): the access key is disabled.
	ErrForbiddenAccessKeyDisabled ErrorCode = "Forbidden.AccessKeyDisabled"
	// ErrSignatureDoesNotMatch is SignatureDoesNotMatch (HTTP 400): the signature is not the one the service calculates.
	ErrSignatureDoesNotMatch ErrorCode = "SignatureDoesNotMatch"
	// ErrIncompleteSignature is IncompleteSignature (HTTP 400): the signature is not the one the service calculates (older wording).
	ErrIncompleteSignature ErrorCode = "IncompleteSignature"
	// ErrInvalidSecurityTokenExpired is InvalidSecurityToken.Expired (HTTP 400): the STS token has expired.
	ErrInvalidSecurityTokenExpired ErrorCode = "InvalidSecurityToken.Expired"
	// ErrInvalidSecurityTokenMalformed is InvalidSecurityToken.Malformed (HTTP 400): the STS token is malformed.
	ErrInvalidSecurityTokenMalformed ErrorCode = "InvalidSecurityToken.Malformed"
	// ErrInvalidSecurityTokenMismatchWithAccessKey is InvalidSecurityToken.MismatchWithAccessKey (HTTP 400): the STS token belongs to another access key.
	ErrInvalidSecurityTokenMismatchWithAccessKey ErrorCode = "InvalidSecurityToken.MismatchWithAccessKey"
	// ErrMissingSecurityToken is MissingSecurityToken (HTTP 400): a temporary access key came without its STS token.
	ErrMissingSecurityToken ErrorCode = "MissingSecurityToken"
	// ErrForbiddenRAM is Forbidden.RAM (HTTP 403): the identity may not restart this instance.
	ErrForbiddenRAM ErrorCode = "Forbidden.RAM"
	// ErrForbiddenUnauthorized is Forbidden.Unauthorized (HTTP 403): the identity may not do this.
	ErrForbiddenUnauthorized ErrorCode = "Forbidden.Unauthorized"
	// ErrForbiddenSubUser is Forbidden.SubUser (HTTP 403): a RAM user may not do this.
	ErrForbiddenSubUser ErrorCode = "Forbidden.SubUser"
	// ErrForbiddenInstanceNotFound is Forbidden.InstanceNotFound (HTTP 404): this identity finds no such instance.
	ErrForbiddenInstanceNotFound ErrorCode = "Forbidden.InstanceNotFound"
	// ErrOperationDenied is OperationDenied (HTTP 403): the operation is denied; the message says why.
	ErrOperationDenied ErrorCode = "OperationDenied"
	// ErrInvalidTimeStampExpired is InvalidTimeStamp.Expired (HTTP 400): the clocks of client and service differ by more than 15 minutes.
	ErrInvalidTimeStampExpired ErrorCode = "InvalidTimeStamp.Expired"
	// ErrInvalidTimeStampFormat is InvalidTimeStamp.Format (HTTP 400): the request's time could not be read.
	ErrInvalidTimeStampFormat ErrorCode = "InvalidTimeStamp.Format"
	// ErrIllegalTimestamp is IllegalTimestamp (HTTP 400): the clocks of client and service differ too much (older wording).
	ErrIllegalTimestamp ErrorCode = "IllegalTimestamp"
	// ErrSignatureNonceUsed is SignatureNonceUsed (HTTP 400): an identical request has arrived before, so something in between repeats requests.
	ErrSignatureNonceUsed ErrorCode = "SignatureNonceUsed"
	// ErrOperationConflict is OperationConflict (HTTP 409): another operation on the instance is under way.
	ErrOperationConflict ErrorCode = "OperationConflict"
	// ErrInvalidOperationConflict is InvalidOperation.Conflict (HTTP 409): another operation on the instance is under way.
	ErrInvalidOperationConflict ErrorCode = "InvalidOperation.Conflict"
	// ErrLastTokenProcessing is LastTokenProcessing (HTTP 403): an earlier request is still being processed.
	ErrLastTokenProcessing ErrorCode = "LastTokenProcessing"
	// ErrIncorrectInstanceStatusInitializing is IncorrectInstanceStatus.Initializing (HTTP 403): the instance is still being set up.
	ErrIncorrectInstanceStatusInitializing ErrorCode = "IncorrectInstanceStatus.Initializing"
	// ErrInstanceNotReady is InstanceNotReady (HTTP 403): the instance is not ready for the operation.
	ErrInstanceNotReady ErrorCode = "InstanceNotReady"
	// ErrInvalidAccountStatusNotEnoughBalance is InvalidAccountStatus.NotEnoughBalance (HTTP 403): the account's balance does not suffice.
	ErrInvalidAccountStatusNotEnoughBalance ErrorCode = "InvalidAccountStatus.NotEnoughBalance"
	// ErrMissingParameter is MissingParameter (HTTP 400): a parameter did not arrive.
	ErrMissingParameter ErrorCode = "MissingParameter"
	// ErrInvalidParameter is InvalidParameter (HTTP 400): the service refuses a parameter; the message names it.
	ErrInvalidParameter ErrorCode = "InvalidParameter"
	// ErrInvalidRegionIDNotFound is InvalidRegionId.NotFound (HTTP 404): there is no such region.
	ErrInvalidRegionIDNotFound ErrorCode = "InvalidRegionId.NotFound"
	// ErrInvalidActionNotFound is InvalidAction.NotFound (HTTP 404): the endpoint does not know the operation.
	ErrInvalidActionNotFound ErrorCode = "InvalidAction.NotFound"
	// ErrInvalidProductNotFound is InvalidProduct.NotFound (HTTP 404): the endpoint does not belong to ECS.
	ErrInvalidProductNotFound ErrorCode = "InvalidProduct.NotFound"
)

// Error codes that the vendor documents for other operations or services.
const (
	// ErrRejectedThrottling is Rejected.Throttling (HTTP 429): the service held the request back, and does not say whether it acted.
	ErrRejectedThrottling ErrorCode = "Rejected.Throttling"
	// ErrSystemBusy is SystemBusy (HTTP 449): the service is busy, and does not say whether it acted.
	ErrSystemBusy ErrorCode = "SystemBusy"
	// ErrInvalidOperationNotSupportedEndpoint is InvalidOperation.NotSupportedEndpoint (HTTP 404): the endpoint does not serve the region.
	ErrInvalidOperationNotSupportedEndpoint ErrorCode = "InvalidOperation.NotSupportedEndpoint"
	// ErrInvalidInstanceNotFound is InvalidInstance.NotFound (HTTP 404): no such instance in this region and account.
	ErrInvalidInstanceNotFound ErrorCode = "InvalidInstance.NotFound"
	// ErrInvalidInstanceIDsNotFound is InvalidInstanceIds.NotFound (HTTP 404): no such instance in this region and account.
	ErrInvalidInstanceIDsNotFound ErrorCode = "InvalidInstanceIds.NotFound"
	// ErrInvalidInstanceIDsMalformed is InvalidInstanceIds.Malformed (HTTP 400): an instance id, or the list of ids, is malformed.
	ErrInvalidInstanceIDsMalformed ErrorCode = "InvalidInstanceIds.Malformed"
)

// codeRow is what this package knows of one code, or of a family of codes.
type codeRow struct {
	// What the row is about.
	code      ErrorCode
	covers    coverage
	anyCase   bool   // the code may be spelled in any case
	parameter string // if not empty, the row applies only if the message quotes a parameter whose name begins so

	// What it says.
	effect effect
	class  error  // nil: none
	source string // the document that the row comes from
	advice string
}

// coverage is which codes a row stands for.
type coverage uint8

const (
	itself        coverage = iota // the code alone
	subcodes                      // the code and its subcodes: the code, a dot and anything
	plainSubcodes                 // the same, but only subcodes that isPlainCode accepts
	prefixed                      // every code that begins so
)

// effect is what a code says of the request to which it is the response.
type effect uint8

const (
	effectRefused   effect = iota // the service did nothing; so says every code without a row
	effectThrottled               // the service did nothing, and accepts the request later
	effectClock                   // the service did nothing, because of the request's time
	effectFailed                  // the service failed, perhaps after it acted
	effectReplayed                // the service has received the same request before, and may have acted on it
)

// Sources of rows.
const (
	fromReboot  = "RebootInstance" // its error codes: https://www.alibabacloud.com/help/en/ecs/api-rebootinstance
	fromECS     = "ECS"            // common errors, and those of other operations: https://github.com/AlibabaCloudDocs/ecs
	fromGateway = "gateway"        // the gateway of all the vendor's APIs, by its responses or https://help.aliyun.com/document_detail/48054
	fromFamily  = "family"         // no document: what the documented codes of the family have in common
	fromCaution = "caution"        // no document: a code that speaks of a failure may follow a restart
)

// Advice that several rows give.
const (
	checkEndpoint = "Check the endpoint."
	checkID       = "Check the id, the region and whose credentials are in use."
	checkIDs      = "Check the ids."
	checkKeys     = "Check which credentials are in use."
	checkProxy    = "Check that no proxy rewrites the request."
	checkSecret   = "Check the access key secret, and that no proxy rewrites the request."
	enableKey     = "Enable it or use another."
	grantAction   = "Grant it the RAM action that the error names, on the instance."
	lookFirst     = "Look at the instance before sending again."
	lookLater     = "Look at the instance and try again later."
	setClock      = "Synchronize the clock."
)

// codeTable is the one place that says what a code means. The first row that matches
// applies, so a row for one code stands before the row for its family. What a code means
// to a reader is in the comment of its constant.
var codeTable = [...]codeRow{
	{code: ErrIncorrectInstanceStatus, source: fromReboot, advice: "Look at its status; right after a restart it means that one is under way."},
	{code: ErrInstanceLockedForSecurity, source: fromReboot, advice: "Have the lock lifted in the Security Center; do not stop the instance, it could not be started again."},
	{code: ErrDiskError, source: fromReboot, advice: "Wait until its disks are In_use, then try again."},
	{code: ErrInstanceExpiredOrInArrears, source: fromReboot, advice: "Renew the instance or settle the bill."},
	{code: ErrInvalidParameterKMSKeyIDCMKUnauthorized, class: ErrKMSKey, source: fromReboot, advice: "Authorize ECS to use the key."},
	{code: ErrInvalidParameterKMSKeyIDCMKNotEnabled, class: ErrKMSKey, source: fromReboot, advice: "Enable the key in KMS."},
	{code: ErrInvalidParameterKMSKeyIDKMSUnauthorized, class: ErrKMSKey, source: fromReboot, advice: "Grant ECS its KMS service role."},
	{code: ErrInvalidParameterKMSKeyIDNotFound, class: ErrKMSKey, source: fromReboot, advice: "Restore the key if its deletion is only scheduled."},
	{code: ErrInvalidInstanceIDNotFound, source: fromReboot, advice: checkID},
	{code: ErrInternalError, covers: subcodes, anyCase: true, effect: effectFailed, source: fromReboot, advice: lookFirst},
	{code: ErrLimitedOperationServiceUnavailable, covers: subcodes, anyCase: true, effect: effectFailed, source: fromReboot, advice: lookFirst},
	{code: ErrDryRunOperation, source: fromReboot, advice: "As an error it means that a restart was answered as if it had been a dry run: look at what stands between."},
	{code: ErrUnknownError, covers: subcodes, anyCase: true, effect: effectFailed, source: fromECS, advice: lookFirst},
	{code: ErrServiceUnavailableRegionMaintaining, anyCase: true, effect: effectFailed, source: fromECS, advice: "Wait some minutes, then look at the instance."},
	{code: ErrServiceUnavailable, covers: prefixed, anyCase: true, effect: effectFailed, source: fromECS, advice: lookFirst},
	{code: ErrInvalidAccessKeyID, class: ErrUnauthenticated, source: "responses of the gateway, 2020 to 2025", advice: checkKeys},
	{code: ErrInvalidAccessKeyIDNotFound, class: ErrUnauthenticated, source: fromGateway, advice: checkKeys},
	{code: ErrInvalidAccessKeyIDInactive, class: ErrUnauthenticated, source: fromGateway, advice: enableKey},
	{code: ErrForbiddenAccessKeyDisabled, class: ErrUnauthenticated, source: fromECS, advice: enableKey},
	{code: ErrSignatureDoesNotMatch, class: ErrUnauthenticated, source: fromGateway, advice: checkSecret},
	{code: ErrIncompleteSignature, class: ErrUnauthenticated, source: "responses of ECS, 2019 and 2020", advice: checkSecret},
	{code: ErrInvalidSecurityTokenExpired, class: ErrUnauthenticated, source: fromGateway, advice: "Use a credential that renews itself, and check the clock."},
	{code: ErrInvalidSecurityTokenMalformed, class: ErrUnauthenticated, source: fromGateway, advice: "Fetch a new one and pass it on unchanged."},
	{code: ErrInvalidSecurityTokenMismatchWithAccessKey, class: ErrUnauthenticated, source: fromGateway, advice: "Give key id, secret and token from one and the same answer."},
	{code: ErrMissingSecurityToken, class: ErrUnauthenticated, source: fromGateway, advice: "Give the token along with the key."},
	{code: ErrForbiddenRAM, class: ErrAccessDenied, source: fromECS, advice: grantAction},
	{code: ErrForbiddenUnauthorized, class: ErrAccessDenied, source: fromECS, advice: grantAction},
	{code: ErrForbiddenSubUser, class: ErrAccessDenied, source: fromECS, advice: grantAction},
	{code: ErrForbiddenInstanceNotFound, source: fromECS, advice: checkID},
	{code: ErrOperationDenied, source: fromECS, advice: "Act on the message."},
	{code: ErrInvalidTimeStampExpired, effect: effectClock, source: fromGateway, advice: setClock},
	{code: ErrInvalidTimeStampFormat, source: fromGateway, advice: checkProxy},
	{code: ErrIllegalTimestamp, effect: effectClock, source: fromECS, advice: setClock},
	{code: ErrSignatureNonceUsed, anyCase: true, effect: effectReplayed, source: fromGateway, advice: "Look at the instance, then for a proxy or transport that retries."},
	{code: ErrOperationConflict, source: fromECS, advice: lookLater},
	{code: ErrInvalidOperationConflict, source: "API metadata of RebootInstances", advice: lookLater},
	{code: ErrLastTokenProcessing, source: fromECS, advice: lookLater},
	{code: ErrIncorrectInstanceStatusInitializing, source: "the Terraform provider and Packer, which retry it", advice: "Wait until it is Running."},
	{code: ErrInstanceNotReady, source: "API metadata of RebootInstances", advice: "Wait and try again."},
	{code: ErrInvalidAccountStatusNotEnoughBalance, source: fromECS, advice: "Top it up."},
	// The older layer of ECS has no codes for tokens: it names them as a parameter.
	{code: ErrMissingParameter, parameter: "SecurityToken", class: ErrUnauthenticated, source: "responses of ECS, 2024", advice: checkProxy},
	{code: ErrMissingParameter, source: fromECS, advice: checkProxy},
	{code: ErrInvalidParameter, parameter: "SecurityToken", class: ErrUnauthenticated, source: "responses of ECS, 2021", advice: "Correct it."},
	{code: ErrInvalidParameter, source: fromECS, advice: "Correct it."},
	{code: ErrInvalidRegionIDNotFound, source: fromECS, advice: "Correct the region."},
	{code: ErrInvalidActionNotFound, source: fromGateway, advice: checkEndpoint},
	{code: ErrInvalidProductNotFound, source: fromGateway, advice: checkEndpoint},
	// Nothing says that the service refuses with this code before it acts, as it does with its throttling codes.
	{code: ErrRejectedThrottling, covers: subcodes, anyCase: true, effect: effectFailed, source: "KMS, the vendor's documentation; none of ECS", advice: lookFirst},
	{code: ErrSystemBusy, covers: subcodes, anyCase: true, effect: effectFailed, source: "Server Load Balancer, the vendor's documentation; none of ECS", advice: lookFirst},
	{code: ErrInvalidOperationNotSupportedEndpoint, source: "the vendor's help page on debugging API calls; the status from the tests of a public client", advice: "Check the endpoint: without WithEndpoint the client takes the region's own."},
	{code: ErrInvalidInstanceNotFound, source: "API metadata of RunCommand and DescribeCloudAssistantStatus", advice: checkID},
	{code: ErrInvalidInstanceIDsNotFound, source: "API metadata of RebootInstances", advice: "Check the ids, the region and whose credentials are in use."},
	{code: ErrInvalidInstanceIDsMalformed, source: "the vendor's documentation of DescribeInstanceRamRole", advice: checkIDs},

	// Codes without a constant, and families of codes. They stand behind the codes that have rows of their own.
	{code: "Throttling", covers: plainSubcodes, effect: effectThrottled, class: ErrThrottled, source: fromECS, advice: "Wait for the next minute and send fewer calls; the limit counts per account, region and operation."},
	{code: "SystemError", covers: subcodes, anyCase: true, effect: effectFailed, source: fromCaution, advice: lookFirst},
	{code: "ServiceBusy", covers: subcodes, anyCase: true, effect: effectFailed, source: fromCaution, advice: lookFirst},
	{code: "RequestTimeout", covers: subcodes, anyCase: true, effect: effectFailed, source: fromCaution, advice: lookFirst},
	{code: "OperationTimeout", covers: subcodes, anyCase: true, effect: effectFailed, source: fromCaution, advice: lookFirst},
	{code: "InvalidAccessKeyId.", covers: prefixed, class: ErrUnauthenticated, source: fromFamily},
	{code: "InvalidSecurityToken", covers: subcodes, class: ErrUnauthenticated, source: fromFamily},
	{code: "Forbidden", covers: subcodes, class: ErrAccessDenied, source: fromFamily},
	{code: "NoPermission", covers: subcodes, class: ErrAccessDenied, source: "other services of the vendor"},
	{code: "InvalidParameter.KMSKeyId.", covers: prefixed, class: ErrKMSKey, source: fromFamily},
	{code: "InvalidInstanceIds.", covers: prefixed, source: fromFamily, advice: checkIDs},
}

// matches reports whether the row is about a response with this code and message.
func (r *codeRow) matches(code ErrorCode, message string) bool {
	if len(code) < len(r.code) {
		return false
	}
	head, rest := code[:len(r.code)], code[len(r.code):]
	if head != r.code && (!r.anyCase || !strings.EqualFold(string(head), string(r.code))) {
		return false
	}
	if r.parameter != "" && !strings.Contains(message, `"`+r.parameter) {
		return false
	}
	switch r.covers {
	case subcodes:
		return rest == "" || rest[0] == '.'
	case plainSubcodes:
		return rest == "" || rest[0] == '.' && isPlainCode(code)
	case prefixed:
		return true
	case itself:
	}
	return rest == ""
}

// rowOf returns the row of a code, or the zero row. The message matters to the few codes
// whose meaning depends on the parameter that it names.
func rowOf(code ErrorCode, message string) codeRow {
	for i := range codeTable {
		if codeTable[i].matches(code, message) {
			return codeTable[i]
		}
	}
	return codeRow{}
}

// classOf returns the class of a response, or nil.
func classOf(e *APIError) error {
	row := rowOf(e.Code, e.Message)
	denied := e.AccessDenied.PolicyType != "" || e.AccessDenied.NoPermissionType != ""
	switch {
	case row.effect == effectThrottled && e.StatusCode != 0 && !mayRefuse(e.StatusCode):
		return nil // an odd code, perhaps after the request was processed
	case row.effect == effectThrottled, row.class == ErrUnauthenticated, row.code == ErrForbiddenInstanceNotFound: //nolint:errorlint // sentinels
		return row.class
	case denied: // the detail says more than the code
		return ErrAccessDenied
	}
	return row.class
}

// isPlainCode reports whether a code is spelled as all the codes of the service are.
// A code that is not may be one of them with something added: an InternalError with an
// invisible character is no refusal.
func isPlainCode(code ErrorCode) bool {
	return code != "" && len(code) <= maxCodeLength && strings.Trim(string(code), codeCharacters) == ""
}

const (
	maxCodeLength  = 128
	codeCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"
)
