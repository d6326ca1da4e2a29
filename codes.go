package ecsreboot

import "strings"

// ErrorCode is an error code of the service, as its answer spells it. It is an
// error itself, so that errors.Is(err, [ErrInstanceLockedForSecurity]) finds the
// answer in any error of this package. Codes without a constant here work the
// same way: errors.Is(err, ErrorCode("Some.New.Code")). The empty code matches
// nothing.
//
// Throttling codes have no constants; they are the class [ErrThrottled].
type ErrorCode string

// Error returns the code with this package's prefix.
func (c ErrorCode) Error() string { return prefix + string(c) }

// Advice says what the caller of a restart can do about the code, in one or two
// sentences; it is empty for a code that this package does not know.
func (c ErrorCode) Advice() string {
	if isThrottlingCode(c) {
		return "Wait for the next minute and send fewer calls; the limit counts per account, region and operation."
	}
	for _, entry := range catalogue() {
		if entry.code == c {
			return entry.advice
		}
	}
	switch {
	case isServiceFailure(c):
		return ErrInternalError.Advice()
	case strings.HasPrefix(string(c), "InvalidInstanceIds."):
		return ErrInvalidInstanceIDsMalformed.Advice()
	}
	return ""
}

// The codes that RebootInstance documents.
const (
	// ErrIncorrectInstanceStatus is IncorrectInstanceStatus (HTTP 403): the instance is not Running, so it cannot be restarted. Look at its status; right after a restart it means that one is under way.
	ErrIncorrectInstanceStatus ErrorCode = "IncorrectInstanceStatus"
	// ErrInstanceLockedForSecurity is InstanceLockedForSecurity (HTTP 403): the instance is locked for security reasons. Have the lock lifted in the Security Center; do not stop the instance, it could not be started again.
	ErrInstanceLockedForSecurity ErrorCode = "InstanceLockedForSecurity"
	// ErrDiskError is DiskError (HTTP 403): a disk of the instance is in a state that does not allow the operation. Wait until its disks are In_use, then try again.
	ErrDiskError ErrorCode = "DiskError"
	// ErrInstanceExpiredOrInArrears is InstanceExpiredOrInArrears (HTTP 403): the subscription has expired or the account is in arrears. Renew the instance or settle the bill.
	ErrInstanceExpiredOrInArrears ErrorCode = "InstanceExpiredOrInArrears"
	// ErrInvalidParameterKMSKeyIDCMKUnauthorized is InvalidParameter.KMSKeyId.CMKUnauthorized (HTTP 403): the KMS key of an encrypted disk may not be used. Authorize ECS to use the key.
	ErrInvalidParameterKMSKeyIDCMKUnauthorized ErrorCode = "InvalidParameter.KMSKeyId.CMKUnauthorized"
	// ErrInvalidParameterKMSKeyIDCMKNotEnabled is InvalidParameter.KMSKeyId.CMKNotEnabled (HTTP 403): the KMS key of an encrypted disk is not enabled. Enable the key in KMS.
	ErrInvalidParameterKMSKeyIDCMKNotEnabled ErrorCode = "InvalidParameter.KMSKeyId.CMKNotEnabled"
	// ErrInvalidParameterKMSKeyIDKMSUnauthorized is InvalidParameter.KMSKeyId.KMSUnauthorized (HTTP 403): ECS may not access KMS. Grant ECS its KMS service role.
	ErrInvalidParameterKMSKeyIDKMSUnauthorized ErrorCode = "InvalidParameter.KMSKeyId.KMSUnauthorized"
	// ErrInvalidParameterKMSKeyIDNotFound is InvalidParameter.KMSKeyId.NotFound (HTTP 404): the KMS key of an encrypted disk does not exist. Restore the key if its deletion is only scheduled.
	ErrInvalidParameterKMSKeyIDNotFound ErrorCode = "InvalidParameter.KMSKeyId.NotFound"
	// ErrInvalidInstanceIDNotFound is InvalidInstanceId.NotFound (HTTP 404): no such instance in this region and account. Check the id, the region and whose credentials are in use.
	ErrInvalidInstanceIDNotFound ErrorCode = "InvalidInstanceId.NotFound"
	// ErrInternalError is InternalError (HTTP 500): the service failed, perhaps after it acted. Look at the instance before sending again.
	ErrInternalError ErrorCode = "InternalError"
	// ErrLimitedOperationServiceUnavailable is LimitedOperation.ServiceUnavailable (HTTP 503): the service is unavailable for the moment. Look at the instance before sending again.
	ErrLimitedOperationServiceUnavailable ErrorCode = "LimitedOperation.ServiceUnavailable"
	// ErrDryRunOperation is DryRunOperation (HTTP 400): a dry run passed; a call that asked for one returns a nil error instead. As an error it means that a restart was answered as if it had been a dry run: look at what stands between.
	ErrDryRunOperation ErrorCode = "DryRunOperation"
)

// The service's common codes that the caller of a restart acts on.
const (
	// ErrUnknownError is UnknownError (HTTP 400): the service failed for an unknown reason, perhaps after it acted. Look at the instance before sending again.
	ErrUnknownError ErrorCode = "UnknownError"
	// ErrServiceUnavailable is ServiceUnavailable (HTTP 503): the service is unavailable for the moment. Look at the instance before sending again.
	ErrServiceUnavailable ErrorCode = "ServiceUnavailable"
	// ErrServiceUnavailableRegionMaintaining is ServiceUnavailable.RegionMaintaining (HTTP 503): the region is under maintenance. Wait some minutes, then look at the instance.
	ErrServiceUnavailableRegionMaintaining ErrorCode = "ServiceUnavailable.RegionMaintaining"
	// ErrInvalidAccessKeyID is InvalidAccessKeyId (HTTP 403): the access key is unknown or invalid. Check which credentials are in use.
	ErrInvalidAccessKeyID ErrorCode = "InvalidAccessKeyId"
	// ErrInvalidAccessKeyIDNotFound is InvalidAccessKeyId.NotFound (HTTP 404): there is no such access key. Check which credentials are in use.
	ErrInvalidAccessKeyIDNotFound ErrorCode = "InvalidAccessKeyId.NotFound"
	// ErrInvalidAccessKeyIDInactive is InvalidAccessKeyId.Inactive (HTTP 400): the access key is disabled. Enable it or use another.
	ErrInvalidAccessKeyIDInactive ErrorCode = "InvalidAccessKeyId.Inactive"
	// ErrForbiddenAccessKeyDisabled is Forbidden.AccessKeyDisabled (HTTP 403): the access key is disabled. Enable it or use another.
	ErrForbiddenAccessKeyDisabled ErrorCode = "Forbidden.AccessKeyDisabled"
	// ErrSignatureDoesNotMatch is SignatureDoesNotMatch (HTTP 400): the signature is not the one the service calculates. Check the access key secret, and that no proxy rewrites the request.
	ErrSignatureDoesNotMatch ErrorCode = "SignatureDoesNotMatch"
	// ErrIncompleteSignature is IncompleteSignature (HTTP 400): the signature is not the one the service calculates (older wording). Check the access key secret, and that no proxy rewrites the request.
	ErrIncompleteSignature ErrorCode = "IncompleteSignature"
	// ErrInvalidSecurityTokenExpired is InvalidSecurityToken.Expired (HTTP 400): the STS token has expired. Use a credential that renews itself, and check the clock.
	ErrInvalidSecurityTokenExpired ErrorCode = "InvalidSecurityToken.Expired"
	// ErrInvalidSecurityTokenMalformed is InvalidSecurityToken.Malformed (HTTP 400): the STS token is malformed. Fetch a new one and pass it on unchanged.
	ErrInvalidSecurityTokenMalformed ErrorCode = "InvalidSecurityToken.Malformed"
	// ErrInvalidSecurityTokenMismatchWithAccessKey is InvalidSecurityToken.MismatchWithAccessKey (HTTP 400): the STS token belongs to another access key. Give key id, secret and token from one and the same answer.
	ErrInvalidSecurityTokenMismatchWithAccessKey ErrorCode = "InvalidSecurityToken.MismatchWithAccessKey"
	// ErrMissingSecurityToken is MissingSecurityToken (HTTP 400): a temporary access key came without its STS token. Give the token along with the key.
	ErrMissingSecurityToken ErrorCode = "MissingSecurityToken"
	// ErrForbiddenRAM is Forbidden.RAM (HTTP 403): the identity may not restart this instance. Grant it the RAM action that the error names, on the instance.
	ErrForbiddenRAM ErrorCode = "Forbidden.RAM"
	// ErrForbiddenUnauthorized is Forbidden.Unauthorized (HTTP 403): the identity may not do this. Grant it the RAM action that the error names, on the instance.
	ErrForbiddenUnauthorized ErrorCode = "Forbidden.Unauthorized"
	// ErrForbiddenSubUser is Forbidden.SubUser (HTTP 403): a RAM user may not do this. Grant it the RAM action that the error names, on the instance.
	ErrForbiddenSubUser ErrorCode = "Forbidden.SubUser"
	// ErrForbiddenInstanceNotFound is Forbidden.InstanceNotFound (HTTP 404): this identity finds no such instance. Check the id, the region and whose credentials are in use.
	ErrForbiddenInstanceNotFound ErrorCode = "Forbidden.InstanceNotFound"
	// ErrOperationDenied is OperationDenied (HTTP 403): the operation is denied; the message says why. Act on the message.
	ErrOperationDenied ErrorCode = "OperationDenied"
	// ErrInvalidTimeStampExpired is InvalidTimeStamp.Expired (HTTP 400): the clocks of client and service differ by more than 15 minutes. Synchronize the clock.
	ErrInvalidTimeStampExpired ErrorCode = "InvalidTimeStamp.Expired"
	// ErrInvalidTimeStampFormat is InvalidTimeStamp.Format (HTTP 400): the request's time could not be read. Check that no proxy rewrites the request.
	ErrInvalidTimeStampFormat ErrorCode = "InvalidTimeStamp.Format"
	// ErrIllegalTimestamp is IllegalTimestamp (HTTP 400): the clocks of client and service differ too much (older wording). Synchronize the clock.
	ErrIllegalTimestamp ErrorCode = "IllegalTimestamp"
	// ErrSignatureNonceUsed is SignatureNonceUsed (HTTP 400): an identical request has arrived before, so something in between repeats requests. Look at the instance, then for a proxy or transport that retries.
	ErrSignatureNonceUsed ErrorCode = "SignatureNonceUsed"
	// ErrOperationConflict is OperationConflict (HTTP 409): another operation on the instance is under way. Look at the instance and try again later.
	ErrOperationConflict ErrorCode = "OperationConflict"
	// ErrInvalidOperationConflict is InvalidOperation.Conflict (HTTP 409): another operation on the instance is under way. Look at the instance and try again later.
	ErrInvalidOperationConflict ErrorCode = "InvalidOperation.Conflict"
	// ErrLastTokenProcessing is LastTokenProcessing (HTTP 403): an earlier request is still being processed. Look at the instance and try again later.
	ErrLastTokenProcessing ErrorCode = "LastTokenProcessing"
	// ErrIncorrectInstanceStatusInitializing is IncorrectInstanceStatus.Initializing (HTTP 403): the instance is still being set up. Wait until it is Running.
	ErrIncorrectInstanceStatusInitializing ErrorCode = "IncorrectInstanceStatus.Initializing"
	// ErrInstanceNotReady is InstanceNotReady (HTTP 403): the instance is not ready for the operation. Wait and try again.
	ErrInstanceNotReady ErrorCode = "InstanceNotReady"
	// ErrInvalidAccountStatusNotEnoughBalance is InvalidAccountStatus.NotEnoughBalance (HTTP 403): the account's balance does not suffice. Top it up.
	ErrInvalidAccountStatusNotEnoughBalance ErrorCode = "InvalidAccountStatus.NotEnoughBalance"
	// ErrMissingParameter is MissingParameter (HTTP 400): a parameter did not arrive. Check that no proxy rewrites the request.
	ErrMissingParameter ErrorCode = "MissingParameter"
	// ErrInvalidParameter is InvalidParameter (HTTP 400): the service refuses a parameter; the message names it. Correct it.
	ErrInvalidParameter ErrorCode = "InvalidParameter"
	// ErrInvalidRegionIDNotFound is InvalidRegionId.NotFound (HTTP 404): there is no such region. Correct the region.
	ErrInvalidRegionIDNotFound ErrorCode = "InvalidRegionId.NotFound"
	// ErrInvalidActionNotFound is InvalidAction.NotFound (HTTP 404): the endpoint does not know the operation. Check the endpoint.
	ErrInvalidActionNotFound ErrorCode = "InvalidAction.NotFound"
	// ErrInvalidProductNotFound is InvalidProduct.NotFound (HTTP 404): the endpoint is none of ECS. Check the endpoint.
	ErrInvalidProductNotFound ErrorCode = "InvalidProduct.NotFound"
)

// Codes that the vendor documents for other operations or services.
const (
	// ErrRejectedThrottling is Rejected.Throttling (HTTP 429): the service held the request back, and does not say whether it acted. Look at the instance before sending again.
	ErrRejectedThrottling ErrorCode = "Rejected.Throttling"
	// ErrSystemBusy is SystemBusy (HTTP 449): the service is busy, and does not say whether it acted. Look at the instance before sending again.
	ErrSystemBusy ErrorCode = "SystemBusy"
	// ErrInvalidOperationNotSupportedEndpoint is InvalidOperation.NotSupportedEndpoint (HTTP 404): the endpoint does not serve the region. Check the endpoint: without WithEndpoint the client takes the region's own.
	ErrInvalidOperationNotSupportedEndpoint ErrorCode = "InvalidOperation.NotSupportedEndpoint"
	// ErrInvalidInstanceNotFound is InvalidInstance.NotFound (HTTP 404): no such instance in this region and account. Check the id, the region and whose credentials are in use.
	ErrInvalidInstanceNotFound ErrorCode = "InvalidInstance.NotFound"
	// ErrInvalidInstanceIDsNotFound is InvalidInstanceIds.NotFound (HTTP 404): no such instance in this region and account. Check the ids, the region and whose credentials are in use.
	ErrInvalidInstanceIDsNotFound ErrorCode = "InvalidInstanceIds.NotFound"
	// ErrInvalidInstanceIDsMalformed is InvalidInstanceIds.Malformed (HTTP 400): an instance id, or the list of ids, is malformed. Check the ids.
	ErrInvalidInstanceIDsMalformed ErrorCode = "InvalidInstanceIds.Malformed"
)

// catalogueEntry describes one code. The constants' comments are written from
// it; a test holds the two together.
type catalogueEntry struct {
	code    ErrorCode
	status  int    // the HTTP status that the service documents
	meaning string // completes "<code> means:"
	advice  string
	class   error  // nil: none
	source  string // where the code is documented; empty: for RebootInstance, or as one of the common codes of ECS
}

// catalogue is a function so that programs link it only if they ask for advice.
func catalogue() []catalogueEntry {
	return []catalogueEntry{
		{code: ErrIncorrectInstanceStatus, status: 403, meaning: "the instance is not Running, so it cannot be restarted", advice: "Look at its status; right after a restart it means that one is under way."},
		{code: ErrInstanceLockedForSecurity, status: 403, meaning: "the instance is locked for security reasons", advice: "Have the lock lifted in the Security Center; do not stop the instance, it could not be started again."},
		{code: ErrDiskError, status: 403, meaning: "a disk of the instance is in a state that does not allow the operation", advice: "Wait until its disks are In_use, then try again."},
		{code: ErrInstanceExpiredOrInArrears, status: 403, meaning: "the subscription has expired or the account is in arrears", advice: "Renew the instance or settle the bill."},
		{code: ErrInvalidParameterKMSKeyIDCMKUnauthorized, status: 403, meaning: "the KMS key of an encrypted disk may not be used", advice: "Authorize ECS to use the key.", class: ErrKMSKey},
		{code: ErrInvalidParameterKMSKeyIDCMKNotEnabled, status: 403, meaning: "the KMS key of an encrypted disk is not enabled", advice: "Enable the key in KMS.", class: ErrKMSKey},
		{code: ErrInvalidParameterKMSKeyIDKMSUnauthorized, status: 403, meaning: "ECS may not access KMS", advice: "Grant ECS its KMS service role.", class: ErrKMSKey},
		{code: ErrInvalidParameterKMSKeyIDNotFound, status: 404, meaning: "the KMS key of an encrypted disk does not exist", advice: "Restore the key if its deletion is only scheduled.", class: ErrKMSKey},
		{code: ErrInvalidInstanceIDNotFound, status: 404, meaning: "no such instance in this region and account", advice: "Check the id, the region and whose credentials are in use."},
		{code: ErrInternalError, status: 500, meaning: "the service failed, perhaps after it acted", advice: "Look at the instance before sending again."},
		{code: ErrLimitedOperationServiceUnavailable, status: 503, meaning: "the service is unavailable for the moment", advice: "Look at the instance before sending again."},
		{code: ErrDryRunOperation, status: 400, meaning: "a dry run passed; a call that asked for one returns a nil error instead", advice: "As an error it means that a restart was answered as if it had been a dry run: look at what stands between."},
		{code: ErrUnknownError, status: 400, meaning: "the service failed for an unknown reason, perhaps after it acted", advice: "Look at the instance before sending again."},
		{code: ErrServiceUnavailable, status: 503, meaning: "the service is unavailable for the moment", advice: "Look at the instance before sending again."},
		{code: ErrServiceUnavailableRegionMaintaining, status: 503, meaning: "the region is under maintenance", advice: "Wait some minutes, then look at the instance."},
		{code: ErrInvalidAccessKeyID, status: 403, meaning: "the access key is unknown or invalid", advice: "Check which credentials are in use.", class: ErrUnauthenticated},
		{code: ErrInvalidAccessKeyIDNotFound, status: 404, meaning: "there is no such access key", advice: "Check which credentials are in use.", class: ErrUnauthenticated},
		{code: ErrInvalidAccessKeyIDInactive, status: 400, meaning: "the access key is disabled", advice: "Enable it or use another.", class: ErrUnauthenticated},
		{code: ErrForbiddenAccessKeyDisabled, status: 403, meaning: "the access key is disabled", advice: "Enable it or use another.", class: ErrUnauthenticated},
		{code: ErrSignatureDoesNotMatch, status: 400, meaning: "the signature is not the one the service calculates", advice: "Check the access key secret, and that no proxy rewrites the request.", class: ErrUnauthenticated},
		{code: ErrIncompleteSignature, status: 400, meaning: "the signature is not the one the service calculates (older wording)", advice: "Check the access key secret, and that no proxy rewrites the request.", class: ErrUnauthenticated},
		{code: ErrInvalidSecurityTokenExpired, status: 400, meaning: "the STS token has expired", advice: "Use a credential that renews itself, and check the clock.", class: ErrUnauthenticated},
		{code: ErrInvalidSecurityTokenMalformed, status: 400, meaning: "the STS token is malformed", advice: "Fetch a new one and pass it on unchanged.", class: ErrUnauthenticated},
		{code: ErrInvalidSecurityTokenMismatchWithAccessKey, status: 400, meaning: "the STS token belongs to another access key", advice: "Give key id, secret and token from one and the same answer.", class: ErrUnauthenticated},
		{code: ErrMissingSecurityToken, status: 400, meaning: "a temporary access key came without its STS token", advice: "Give the token along with the key.", class: ErrUnauthenticated},
		{code: ErrForbiddenRAM, status: 403, meaning: "the identity may not restart this instance", advice: "Grant it the RAM action that the error names, on the instance.", class: ErrAccessDenied},
		{code: ErrForbiddenUnauthorized, status: 403, meaning: "the identity may not do this", advice: "Grant it the RAM action that the error names, on the instance.", class: ErrAccessDenied},
		{code: ErrForbiddenSubUser, status: 403, meaning: "a RAM user may not do this", advice: "Grant it the RAM action that the error names, on the instance.", class: ErrAccessDenied},
		{code: ErrForbiddenInstanceNotFound, status: 404, meaning: "this identity finds no such instance", advice: "Check the id, the region and whose credentials are in use."},
		{code: ErrOperationDenied, status: 403, meaning: "the operation is denied; the message says why", advice: "Act on the message."},
		{code: ErrInvalidTimeStampExpired, status: 400, meaning: "the clocks of client and service differ by more than 15 minutes", advice: "Synchronize the clock."},
		{code: ErrInvalidTimeStampFormat, status: 400, meaning: "the request's time could not be read", advice: "Check that no proxy rewrites the request."},
		{code: ErrIllegalTimestamp, status: 400, meaning: "the clocks of client and service differ too much (older wording)", advice: "Synchronize the clock."},
		{code: ErrSignatureNonceUsed, status: 400, meaning: "an identical request has arrived before, so something in between repeats requests", advice: "Look at the instance, then for a proxy or transport that retries."},
		{code: ErrOperationConflict, status: 409, meaning: "another operation on the instance is under way", advice: "Look at the instance and try again later."},
		{code: ErrInvalidOperationConflict, status: 409, meaning: "another operation on the instance is under way", advice: "Look at the instance and try again later."},
		{code: ErrLastTokenProcessing, status: 403, meaning: "an earlier request is still being processed", advice: "Look at the instance and try again later."},
		{code: ErrIncorrectInstanceStatusInitializing, status: 403, meaning: "the instance is still being set up", advice: "Wait until it is Running."},
		{code: ErrInstanceNotReady, status: 403, meaning: "the instance is not ready for the operation", advice: "Wait and try again."},
		{code: ErrInvalidAccountStatusNotEnoughBalance, status: 403, meaning: "the account's balance does not suffice", advice: "Top it up."},
		{code: ErrMissingParameter, status: 400, meaning: "a parameter did not arrive", advice: "Check that no proxy rewrites the request."},
		{code: ErrInvalidParameter, status: 400, meaning: "the service refuses a parameter; the message names it", advice: "Correct it."},
		{code: ErrInvalidRegionIDNotFound, status: 404, meaning: "there is no such region", advice: "Correct the region."},
		{code: ErrInvalidActionNotFound, status: 404, meaning: "the endpoint does not know the operation", advice: "Check the endpoint."},
		{code: ErrInvalidProductNotFound, status: 404, meaning: "the endpoint is none of ECS", advice: "Check the endpoint."},
		{code: ErrRejectedThrottling, status: 429, meaning: "the service held the request back, and does not say whether it acted", advice: "Look at the instance before sending again.", source: "KMS, the vendor's documentation; none of ECS"},
		{code: ErrSystemBusy, status: 449, meaning: "the service is busy, and does not say whether it acted", advice: "Look at the instance before sending again.", source: "Server Load Balancer, the vendor's documentation; none of ECS"},
		{code: ErrInvalidOperationNotSupportedEndpoint, status: 404, meaning: "the endpoint does not serve the region", advice: "Check the endpoint: without WithEndpoint the client takes the region's own.", source: "the vendor's help page on debugging API calls; the status from the tests of a public client"},
		{code: ErrInvalidInstanceNotFound, status: 404, meaning: "no such instance in this region and account", advice: "Check the id, the region and whose credentials are in use.", source: "API metadata of RunCommand and DescribeCloudAssistantStatus"},
		{code: ErrInvalidInstanceIDsNotFound, status: 404, meaning: "no such instance in this region and account", advice: "Check the ids, the region and whose credentials are in use.", source: "API metadata of RebootInstances"},
		{code: ErrInvalidInstanceIDsMalformed, status: 400, meaning: "an instance id, or the list of ids, is malformed", advice: "Check the ids.", source: "the vendor's documentation of DescribeInstanceRamRole"},
	}
}

// isThrottlingCode reports whether code is one of the service's throttling codes:
// Throttling, Throttling.User, Throttling.Api and whatever else begins so. In another
// case it is none: a restart is sent again only on the codes that are documented.
func isThrottlingCode(code ErrorCode) bool {
	return code == "Throttling" || strings.HasPrefix(string(code), "Throttling.") && isPlainCode(code)
}
