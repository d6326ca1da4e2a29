package ecstest

import "net/http"

// problem is what the service says with an error code.
type problem struct {
	status  int
	message string
}

// problems are the documented errors. A FaultError with one of these codes and
// nothing else shows the status and the message from here.
var problems = map[string]problem{
	"DRYRUN.SUCCESS":                              {400, "This request is a dryrun request with successful result."},
	"AccessForbidden":                             {403, "The caller has no permission for this operation."},
	"ParameterInvalid":                            {400, "A parameter is not valid."},
	"InstanceIds.ExceedLimit":                     {403, "The request names too many instances."},
	"InvalidInstance.NotFound":                    {404, "There is no such instance."},
	"InvalidParam.PageNumber":                     {400, "The PageNumber is not valid."},
	"InvalidParam.PageSize":                       {400, "The PageSize is not valid."},
	"InvalidParameter.MaxResults":                 {400, "The MaxResults is not valid."},
	"InvalidParameter.NextToken":                  {400, "The NextToken is not valid."},
	"MissingParam.InstanceId":                     {400, "An InstanceId.N is empty."},
	"CmdContent.DecodeError":                      {400, "The CommandContent is not base64."},
	"CmdContent.ExceedLimit":                      {403, "The CommandContent is too long."},
	"CmdDesc.ExceedLimit":                         {403, "The Description is too long."},
	"CmdName.ExceedLimit":                         {403, "The Name is too long."},
	"IdempotentParameterMismatch":                 {403, "The ClientToken was used with other parameters."},
	"InvalidClientToken.Malformed":                {400, "The ClientToken is not valid."},
	"InvalidCmdType.NotFound":                     {404, "The Type is unknown."},
	"InvalidInstance.NotMatch":                    {400, "The Type is not for the system of the instance."},
	"InvalidInvokeId.NotFound":                    {404, "There is no such invocation."},
	"InvalidRepeatMode.NotFound":                  {404, "The RepeatMode is unknown."},
	"Invocation.ExceedQuota":                      {403, "There are too many invocations."},
	"MissingParam.Frequency":                      {400, "The RepeatMode Period needs a Frequency."},
	"NotSupported":                                {405, "The system of the instance has no console output."},
	"DiskError":                                   {403, "IncorrectDiskStatus."},
	"DryRunOperation":                             {400, "Request validation has been passed with DryRun flag set."},
	"EventIdLimitExceeded":                        {403, "The request names too many events."},
	"Forbidden.AccessKeyDisabled":                 {403, "The Access Key is disabled."},
	"Forbidden.InstanceNotFound":                  {404, "The specified Instance is not found."},
	"Forbidden.RAM":                               {403, "User not authorized to operate on the specified resource, or this API doesn't support RAM."},
	"INVALID.MAX.RESULTS":                         {400, "MaxResults must be a number from 1 to 100."},
	"IncompleteSignature":                         {400, "The request signature does not conform to Aliyun standards."},
	"IncorrectInstanceStatus":                     {403, "The current status of the resource does not support this operation."},
	"InstanceExpired":                             {403, "The instance has expired."},
	"InstanceExpiredOrInArrears":                  {403, "The specified operation is denied as your prepay instance is expired (prepay mode) or in arrears (afterpay mode)."},
	"InstanceIdLimitExceeded":                     {403, "The request names too many instances."},
	"InstanceLockedForSecurity":                   {403, "The specified operation is denied as your instance is locked for security reasons."},
	"InternalError":                               {500, "The request processing has failed due to some unknown error, exception or failure."},
	"Invalid.InstanceChargeType":                  {403, "The InstanceChargeType is unknown."},
	"InvalidAcceptLanguage.NotFound":              {404, "The AcceptLanguage is unknown."},
	"InvalidAccessKeyId.Inactive":                 {400, "Specified access key is disabled."},
	"InvalidAccessKeyId.NotFound":                 {404, "Specified access key is not found."},
	"InvalidAction.NotFound":                      {404, "Specified api is not found, please check your url and method."},
	"InvalidBearerToken":                          {400, "Specified bearer token is not valid."},
	"InvalidFilterKey.NotFound":                   {404, "The key of a Filter.N is not the one that it must be."},
	"InvalidFilterValue":                          {404, "The value of a Filter.N is no time."},
	"InvalidInstanceChargeType.NotFound":          {404, "The InstanceChargeType is unknown."},
	"InvalidInstanceId.NotFound":                  {404, "The specified InstanceId does not exist."},
	"InvalidInternetChargeType.ValueNotSupported": {404, "The InternetChargeType is unknown."},
	"InvalidLockReason.NotFound":                  {404, "The LockReason is unknown."},
	"InvalidNetworkType.NotFound":                 {404, "The InstanceNetworkType is unknown."},
	"InvalidParameterCombination":                 {400, "The period of the lookup must end after it starts."},
	"InvalidParameterEndTime":                     {400, "The EndTime is no time."},
	"InvalidParameterStartTime":                   {400, "The StartTime is no time."},
	"InvalidQueryParameter":                       {400, "A parameter of the query is not valid."},
	"NoPermission":                                {403, "The caller has no permission for this operation."},
	"InvalidParameter.Format":                     {400, "Specified parameter format is not valid."},
	"InvalidParameter.KMSKeyId.CMKNotEnabled":     {403, "The specified KMS key is not enabled."},
	"InvalidParameter.KMSKeyId.CMKUnauthorized":   {403, "The specified KMS key may not be used."},
	"InvalidParameter.KMSKeyId.KMSUnauthorized":   {403, "ECS service have no right to access your KMS."},
	"InvalidParameter.KMSKeyId.NotFound":          {404, "The specified KMS key does not exist."},
	"InvalidParameter.TimeEndBeforeStart":         {403, "A period ends before it starts."},
	"InvalidParameter.TooManyInstanceIds":         {403, "Instance ids cannot be more than 100."},
	"InvalidRegionId.NotFound":                    {404, "The specified RegionId does not exist."},
	"InvalidResourceType.NotFound":                {404, "The ResourceType is unknown."},
	"InvalidSecurityToken.Expired":                {400, "Specified SecurityToken is expired."},
	"InvalidSecurityToken.Malformed":              {400, "Specified SecurityToken is malformed."},
	"InvalidSecurityToken.MismatchWithAccessKey":  {400, "Specified SecurityToken mismatch with the AccessKey."},
	"InvalidSignatureMethod":                      {400, "Specified signature method is not valid."},
	"InvalidStatus.NotFound":                      {404, "The Status is unknown."},
	"InvalidTag.Mismatch":                         {400, "Each Tag.N.Value needs a Tag.N.Key."},
	"InvalidTagCount":                             {400, "The request names too many tags."},
	"InvalidTimeStamp.Expired":                    {400, "Specified time stamp or date value is expired."},
	"InvalidTimeStamp.Format":                     {400, "Specified time stamp or date value is not well formatted."},
	"InvalidZoneId.NotFound":                      {404, "The specified ZoneId does not exist."},
	"LastTokenProcessing":                         {403, "The last token request is processing."},
	"LimitedOperation.ServiceUnavailable":         {503, "The service is currently unavailable. Please try again later."},
	"OperationConflict":                           {409, "Request was denied due to conflict with a previous request."},
	"ServiceUnavailable":                          {503, "The request has failed due to a temporary failure of the server."},
	"SignatureDoesNotMatch":                       {400, "Specified signature is not matched with our calculation."},
	"SignatureNonceUsed":                          {400, "Specified signature nonce was used already."},
	"Throttling":                                  {400, "Request was denied due to request throttling."},
	"Throttling.Api":                              {400, "Request was denied due to api flow control."},
	"Throttling.User":                             {400, "Request was denied due to user flow control."},
	"UnknownError":                                {400, "The request processing has failed due to some unknown error."},
	"UnsupportedHTTPMethod":                       {400, "This http method is not supported."},
}

// legacyProblems are the answers of the older ECS layer to what the gateway
// refuses today under the code that is the map's key.
var legacyProblems = map[string]answer{
	"InvalidAccessKeyId.Inactive":    {status: 403, code: "Forbidden.AccessKeyDisabled", message: "The Access Key is disabled."},
	"InvalidAccessKeyId.NotFound":    {status: 400, code: "InvalidAccessKeyId.NotFound", message: "The specified Access Key ID does not exist."},
	"InvalidSecurityToken.Expired":   {status: 400, code: "InvalidParameter", message: `The specified parameter "SecurityToken.Expired" is not valid.`},
	"InvalidSecurityToken.Malformed": {status: 400, code: "InvalidParameter", message: `The specified parameter "SecurityToken.Malformed" is not valid.`},
	"InvalidSecurityToken.MismatchWithAccessKey": {
		status: 400, code: "InvalidParameter", message: `The specified parameter "SecurityToken.MismatchWithAccessKey" is not valid.`,
	},
	"InvalidSignatureMethod":   {status: 400, code: "InvalidParamater", message: `The specified parameter "SignatureMethod" is not valid.`}, // the service's spelling
	"InvalidTimeStamp.Expired": {status: 400, code: "IllegalTimestamp", message: missingText("Timestamp")},
	"InvalidTimeStamp.Format":  {status: 400, code: "IllegalTimestamp", message: missingText("Timestamp")},
	"SignatureDoesNotMatch":    {status: 400, code: "IncompleteSignature", message: "The request signature does not conform to Aliyun standards."},
	"SignatureNonceUsed":       {status: 400, code: "SignatureNonceUsed", message: "The request signature nonce has been used."},
	"UnsupportedHTTPMethod":    {status: 403, code: "UnsupportedHTTPMethod", message: "This http method is not supported."},
}

// documented is the error code with its documented status and message.
func documented(code string) *answer {
	p := problems[code]
	return &answer{status: p.status, code: code, message: p.message}
}

// gatewayError is documented(code), or what the older layer says in its place.
func (s *Server) gatewayError(code string) *answer {
	if legacy, ok := legacyProblems[code]; ok && s.options.LegacyErrors {
		return &legacy
	}
	return documented(code)
}

// missing is the gateway's answer to a call without one of the parameters that
// every call has to have.
func (s *Server) missing(name string) *answer {
	if s.options.LegacyErrors {
		if name == "Timestamp" {
			name = "TimeStamp"
		}
		return missingParameter(name)
	}
	return &answer{status: http.StatusBadRequest, code: "Missing" + name, message: name + " is mandatory for this action."}
}

// missingParameter is an operation's answer to a missing parameter of its own.
func missingParameter(name string) *answer {
	return &answer{status: http.StatusBadRequest, code: "MissingParameter", message: missingText(name)}
}

func missingText(name string) string {
	return `The input parameter "` + name + `" that is mandatory for processing this request is not supplied.`
}

func invalidParameter(name string) *answer {
	return &answer{status: http.StatusBadRequest, code: "InvalidParameter", message: `The specified parameter "` + name + `" is not valid.`}
}
