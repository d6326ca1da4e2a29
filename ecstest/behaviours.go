package ecstest

import "slices"

// Behavior is a claim that the server makes about the service, with its source.
type Behavior struct {
	// ID names the claim, in the docs and in a trace of the live kit.
	ID string
	// Does says what the server does.
	Does string
	// Kind is what the claim is based on: "page", a page of the vendor's documentation;
	// "metadata", the vendor's published API metadata; "sdk", the vendor's source code;
	// "recording", a published recording of what the service did; "inference", our
	// conclusion from other sources. Kind "ours" means that the row is a feature of the
	// server and claims nothing about the service.
	Kind string
	// Source is a link in Markdown, or a sentence.
	Source string
	// Confidence is "high", "medium" or "low", and empty for Kind "ours".
	Confidence string
	// Validated is empty if nobody has compared the claim with the service;
	// otherwise it is a date and the path of a trace, separated by a space.
	Validated string
	// Covers lists what the claim is about: operations, error codes, and the
	// switches and faults that turn it or set it.
	Covers []string
}

// Behaviors returns all claims that the server makes about the service, and the
// conveniences that are none.
func Behaviors() []Behavior {
	all := slices.Clone(behaviors)
	for i := range all {
		all[i].Covers = slices.Clone(all[i].Covers)
	}
	return all
}

// The sources.
const (
	pageReboot        = "[RebootInstance](https://www.alibabacloud.com/help/en/ecs/api-rebootinstance)"
	pageReboots       = "[RebootInstances](https://www.alibabacloud.com/help/en/ecs/api-rebootinstances)"
	pageV1            = "[signature 1.0](https://help.aliyun.com/en/sdk/product-overview/rpc-mechanism)"
	pageV3            = "[signature ACS3](https://help.aliyun.com/en/sdk/product-overview/v3-request-structure-and-signature)"
	pageErrors        = "[common errors](https://help.aliyun.com/document_detail/48054)"
	pageECS           = "[ECS documentation of 2021](https://github.com/AlibabaCloudDocs/ecs)"
	pageFlow          = "[throttling of ECS](https://www.alibabacloud.com/help/doc-detail/437902.htm)"
	pageLocks         = "[security locks](https://www.alibabacloud.com/help/doc-detail/25695.html)"
	pageNotifications = "[notifications of events](https://help.aliyun.com/en/ecs/user-guide/overview-35)"
	pageAgent         = "[DescribeCloudAssistantStatus](https://help.aliyun.com/en/ecs/developer-reference/api-ecs-2014-05-26-describecloudassistantstatus)"
	pageActionTrail   = "[fields of ActionTrail](https://www.alibabacloud.com/help/en/sls/log-fields-25)"
	metadata          = "[API metadata](https://github.com/aliyun/aliyun-openapi-meta)"
	sdkModel          = "[model of the Go SDK](https://github.com/alibabacloud-go/ecs-20140526)"
	sdkCore           = "[core of the Go SDK](https://github.com/alibabacloud-go/darabonba-openapi)"
	sdkLegacy         = "[older Go SDK](https://github.com/aliyun/alibaba-cloud-sdk-go)"
	recordNonce       = "[alibaba-cloud-sdk-go#39](https://github.com/aliyun/alibaba-cloud-sdk-go/issues/39)"
	recordHeaders     = "[cf#211](https://github.com/teamssix/cf/issues/211)"
	recordLegacy      = "[fog-aliyun#32](https://github.com/fog/fog-aliyun/issues/32)"
	recordFilter      = "[aliyun-cli#38](https://github.com/aliyun/aliyun-cli/issues/38)"
	noSource          = "no source; the server had to decide"
)

// behaviors is the table. Rows that cover nothing describe what no switch sets.
var behaviors = []Behavior{
	// Signatures, keys, clock and nonce.
	{
		ID: "auth.v3", Does: "accepts ACS3-HMAC-SHA256: action, version, nonce and time are headers, and every `x-acs-` header, `host` and `content-type` are signed",
		Kind: "page", Source: pageV3, Confidence: "high", Covers: []string{"Options.AccessKeyID", "Options.AccessKeySecret"},
	},
	{ID: "auth.v1", Does: "accepts signature 1.0 (HMAC-SHA1) over the decoded parameters of query and form", Kind: "page", Source: pageV1, Confidence: "high"},
	{
		ID: "auth.bearer", Does: "accepts a bearer token in place of a signature; the response to another token is 400 `InvalidBearerToken`, a code of ours. The metadata declares no bearer token for ECS",
		Kind: "sdk", Source: sdkCore, Confidence: "low", Covers: []string{"Options.BearerToken", "code InvalidBearerToken"},
	},
	{
		ID: "auth.token", Does: "requires the security token of a temporary key, and refuses one that is malformed, expired, or of another key",
		Kind: "page", Source: pageErrors, Confidence: "medium", Covers: []string{
			"Options.SecurityToken", "code InvalidSecurityToken.Expired", "code InvalidSecurityToken.Malformed", "code InvalidSecurityToken.MismatchWithAccessKey",
		},
	},
	{
		ID: "auth.secret", Does: "answers a wrong ACS3 signature with 400 `SignatureDoesNotMatch`, and repeats the string to sign",
		Kind: "page", Source: pageV3, Confidence: "medium", Covers: []string{"code SignatureDoesNotMatch"},
	},
	{ID: "auth.secret-v1", Does: "answers a wrong signature 1.0 with 400 `SignatureDoesNotMatch`", Kind: "page", Source: pageErrors, Confidence: "medium"},
	{ID: "auth.key", Does: "answers an unknown key with 404 `InvalidAccessKeyId.NotFound`", Kind: "page", Source: pageErrors, Confidence: "high", Covers: []string{"code InvalidAccessKeyId.NotFound"}},
	{
		ID: "auth.inactive", Does: "answers a key that was replaced with 400 `InvalidAccessKeyId.Inactive`", Kind: "page", Source: pageErrors, Confidence: "medium",
		Covers: []string{"Server.RotateKey", "code InvalidAccessKeyId.Inactive"},
	},
	{
		ID: "auth.method", Does: "answers a signature method other than HMAC-SHA1 or ACS3-HMAC-SHA256 with 400 `InvalidSignatureMethod`",
		Kind: "page", Source: pageErrors, Confidence: "medium", Covers: []string{"code InvalidSignatureMethod"},
	},
	{
		ID: "auth.clock-past", Does: "answers a time stamp of more than 15 minutes ago with 400 `InvalidTimeStamp.Expired`",
		Kind: "page", Source: pageErrors, Confidence: "high", Covers: []string{"Server.SetClockOffset", "code InvalidTimeStamp.Expired"},
	},
	{ID: "auth.clock-future", Does: "answers a time stamp of more than 15 minutes ahead with 400 `InvalidTimeStamp.Expired`", Kind: "inference", Source: noSource, Confidence: "low"},
	{ID: "auth.clock-window", Does: "accepts a time stamp of 14 minutes ago", Kind: "page", Source: pageV3, Confidence: "medium"},
	{
		ID: "auth.clock-format", Does: "answers a malformed time stamp with 400 `InvalidTimeStamp.Format`", Kind: "page", Source: pageErrors, Confidence: "high",
		Covers: []string{"code InvalidTimeStamp.Format"},
	},
	{
		ID: "auth.nonce", Does: "answers a nonce that was used in the last 31 minutes with 400 `SignatureNonceUsed`", Kind: "recording", Source: recordNonce, Confidence: "high",
		Covers: []string{"code SignatureNonceUsed"},
	},
	{ID: "auth.nonce-burnt", Does: "uses up the nonce of a request that fails a check", Kind: "recording", Source: recordNonce, Confidence: "medium"},
	{ID: "auth.missing", Does: "answers a request without a time stamp with 400 `MissingTimestamp`; other common parameters likewise", Kind: "page", Source: pageErrors, Confidence: "medium"},
	{
		ID: "auth.legacy", Does: "answers with the codes of the older layer instead: `IncompleteSignature`, `IllegalTimestamp`, `MissingParameter`, …", Kind: "recording", Source: recordLegacy,
		Confidence: "medium", Covers: []string{"Options.LegacyErrors", "code IncompleteSignature", "code Forbidden.AccessKeyDisabled"},
	},
	{ID: "auth.order", Does: "checks the action, the time stamp, the key, the token, the signature and the nonce, in this order", Kind: "inference", Source: noSource, Confidence: "low"},
	{
		ID: "auth.denied", Does: "answers a call that the caller may not make with 403 `Forbidden.RAM` and `AccessDeniedDetail`", Kind: "sdk", Source: sdkModel, Confidence: "medium",
		Covers: []string{"Options.Allow", "code Forbidden.RAM"},
	},
	{ID: "auth.denied-list", Does: "answers a list that the caller may not read with an empty list", Kind: "metadata", Source: metadata, Confidence: "medium"},

	// The form of requests and responses.
	{
		ID: "call.action", Does: "answers an unknown action or version with 404 `InvalidAction.NotFound`", Kind: "page", Source: pageErrors, Confidence: "medium",
		Covers: []string{"code InvalidAction.NotFound"},
	},
	{ID: "call.ignored", Does: "ignores parameters that the operation does not know", Kind: "recording", Source: recordFilter, Confidence: "high"},
	{
		ID: "call.method", Does: "answers methods other than GET and POST with 400 `UnsupportedHTTPMethod`", Kind: "page", Source: pageErrors, Confidence: "medium",
		Covers: []string{"code UnsupportedHTTPMethod"},
	},
	{ID: "call.xml", Does: "answers signature 1.0 in XML unless `Format` is JSON", Kind: "page", Source: pageV1, Confidence: "high"},
	{
		ID: "call.format", Does: "answers an unknown `Format` with 400 `InvalidParameter.Format`", Kind: "page", Source: pageErrors, Confidence: "medium",
		Covers: []string{"code InvalidParameter.Format"},
	},
	{ID: "call.headers", Does: "sends `Date`, `X-Acs-Request-Id` with the body's RequestId, `X-Acs-Trace-Id`, and two CORS headers", Kind: "recording", Source: recordHeaders, Confidence: "high"},
	{ID: "call.error", Does: "has `RequestId`, `HostId`, `Code`, `Message` and `Recommend` in the body of an error", Kind: "recording", Source: recordHeaders, Confidence: "high"},
	{ID: "call.error-xml", Does: "has the same elements in `<Error>` for a caller that reads XML", Kind: "page", Source: pageV1, Confidence: "high"},

	// Restarts.
	{ID: "reboot.accepted", Does: "accepts a restart of a Running instance with 200 and a RequestId", Kind: "page", Source: pageReboot, Confidence: "high", Covers: []string{"operation RebootInstance"}},
	{ID: "reboot.accepted-xml", Does: "answers a restart with `<RebootInstanceResponse>` in XML", Kind: "page", Source: pageReboot, Confidence: "high"},
	{
		ID: "reboot.dry-run", Does: "answers a dry run that passes with the error 400 `DryRunOperation`; nothing restarts", Kind: "page", Source: pageReboot, Confidence: "medium",
		Covers: []string{"code DryRunOperation"},
	},
	{
		ID: "reboot.unknown-id", Does: "answers an unknown instance with 404 `InvalidInstanceId.NotFound`", Kind: "page", Source: pageReboot, Confidence: "high",
		Covers: []string{"code InvalidInstanceId.NotFound"},
	},
	{ID: "reboot.bad-id", Does: "answers an ID that no instance can have like an unknown one", Kind: "inference", Source: noSource, Confidence: "low"},
	{ID: "reboot.missing-id", Does: "answers a missing InstanceId with 400 `MissingParameter`", Kind: "page", Source: pageECS, Confidence: "medium"},
	{ID: "reboot.bad-boolean", Does: "answers a ForceStop that is no boolean with 400 `InvalidParameter`", Kind: "page", Source: pageECS, Confidence: "medium"},
	{
		ID: "reboot.busy", Does: "answers a restart of an instance that is not Running with 403 `IncorrectInstanceStatus`", Kind: "page", Source: pageReboot, Confidence: "high",
		Covers: []string{"Instance.Status", "Server.SetStatus", "code IncorrectInstanceStatus"},
	},
	{ID: "reboot.busy-dry-run", Does: "answers a dry run of an instance that is not Running with the same error", Kind: "page", Source: pageReboot, Confidence: "medium"},
	{
		ID: "reboot.locked", Does: "answers a restart of an instance with the lock `security` with 403 `InstanceLockedForSecurity`; other locks but `financial` have no effect",
		Kind: "page", Source: pageLocks, Confidence: "high", Covers: []string{"Instance.Locks", "Server.SetLocks", "code InstanceLockedForSecurity"},
	},
	{
		ID: "reboot.expired", Does: "answers a restart of an instance that has expired or has the lock `financial` with 403 `InstanceExpiredOrInArrears`",
		Kind: "page", Source: pageReboot, Confidence: "medium", Covers: []string{"Instance.ExpiredTime", "code InstanceExpiredOrInArrears"},
	},
	{ID: "reboot.order", Does: "looks at locks, then at the expiry, then at the status", Kind: "inference", Source: noSource, Confidence: "low"},
	{ID: "reboot.path", Does: "passes through Starting by default; Stopping and Stopped can be set", Kind: "page", Source: pageReboot + ", " + pageReboots, Confidence: "medium", Covers: []string{"RebootProfile.Path"}},
	{ID: "reboot.lag", Does: "shows the first status of the restart in the next list; a delay can be set", Kind: "inference", Source: noSource, Confidence: "low", Covers: []string{"RebootProfile.Stale"}},
	{
		ID: "reboot.graceful", Does: "takes 30 s until the instance is Running again; another time can be set. The vendor names 3 to 5 minutes",
		Kind: "ours", Source: "a time that suits tests", Covers: []string{"RebootProfile.Graceful"},
	},
	{ID: "reboot.forced", Does: "takes 10 s with ForceStop; another time can be set", Kind: "ours", Source: "a time that suits tests", Covers: []string{"RebootProfile.Forced"}},
	{
		ID: "reboot.start-time", Does: "moves StartTime to the time at which the instance is Running again; it can be told to stay", Kind: "metadata", Source: metadata, Confidence: "medium",
		Covers: []string{"Instance.StartTime", "RebootProfile.KeepStartTime"},
	},
	{ID: "reboot.hang", Does: "leaves an instance in a transitional status for good", Kind: "inference", Source: pageReboot + " calls a long time in Starting an exception", Confidence: "medium", Covers: []string{"RebootProfile.Hang"}},
	{
		ID: "reboot.errors", Does: "fails with the other codes of the operation if a fault says so", Kind: "page", Source: pageReboot, Confidence: "high", Covers: []string{
			"code DiskError", "code InvalidParameter.KMSKeyId.CMKNotEnabled", "code InvalidParameter.KMSKeyId.CMKUnauthorized",
			"code InvalidParameter.KMSKeyId.KMSUnauthorized", "code InvalidParameter.KMSKeyId.NotFound", "code InternalError",
			"code LimitedOperation.ServiceUnavailable",
		},
	},
	{
		ID: "reboot.common-errors", Does: "fails with codes that the pages of the operation do not list if a fault says so", Kind: "page", Source: pageECS, Confidence: "medium", Covers: []string{
			"code Forbidden.InstanceNotFound", "code LastTokenProcessing", "code OperationConflict", "code ServiceUnavailable", "code UnknownError",
		},
	},

	{
		ID: "reboots.batch", Does: "restarts up to 100 instances with RebootInstances, all or those that can be restarted; a dry run that passes is 400 `DRYRUN.SUCCESS`",
		Kind: "page", Source: pageReboots, Confidence: "high", Covers: []string{"operation RebootInstances", "code DRYRUN.SUCCESS"},
	},
	{
		ID: "power.switch", Does: "stops Running instances and starts Stopped ones, by way of Stopping and Starting", Kind: "metadata", Source: metadata, Confidence: "high",
		Covers: []string{"operation StopInstance", "operation StartInstance", "code InstanceExpired"},
	},

	{
		ID: "power.locked", Does: "stops an instance with the lock `security`, but does not start it. The metadata denies both, and the newer page only the start",
		Kind: "page", Source: pageLocks, Confidence: "medium",
	},

	// Reads.
	{ID: "list.fields", Does: "lists instances in `Instances.Instance`, with lists wrapped twice", Kind: "metadata", Source: metadata, Confidence: "high", Covers: []string{
		"operation DescribeInstances", "Instance.ID", "Instance.Name", "Instance.ZoneID", "Instance.CreationTime", "Instance.Tags", "Server.SetTags",
		"Instance.PrivateIPs", "Instance.InnerIPs", "Instance.PublicIPs", "Instance.EIP", "Instance.HostName", "Instance.InstanceType", "Instance.VPCID",
		"Instance.ResourceGroupID", "Instance.CPU", "Instance.Memory", "Instance.VSwitchID", "Instance.SecurityGroupIDs", "Instance.ImageID",
		"Instance.OSName", "Instance.OSType", "Instance.KeyPairName", "Instance.Description", "Instance.InstanceChargeType", "Instance.InternetChargeType",
	}},
	{ID: "list.order", Does: "lists the newest instance first, by CreationTime", Kind: "recording", Source: "five published recordings of lists", Confidence: "medium"},
	{ID: "list.no-tags", Does: "has no `Tags` for an instance without tags", Kind: "recording", Source: "37 of 43 published recordings of instances", Confidence: "medium"},
	{ID: "list.stopped-mode", Does: "reports StoppedMode `Not-applicable`, and `KeepCharging` of a stopped instance unless told otherwise", Kind: "metadata", Source: metadata, Confidence: "medium", Covers: []string{"Instance.StoppedMode"}},
	{ID: "list.minute", Does: "reports StartTime to the minute", Kind: "metadata", Source: metadata, Confidence: "high"},
	{
		ID: "list.region", Does: "requires RegionId, and answers another region with 404 `InvalidRegionId.NotFound`", Kind: "page", Source: pageErrors, Confidence: "medium",
		Covers: []string{"Options.Region", "code InvalidRegionId.NotFound"},
	},
	{ID: "list.ids-bad", Does: "answers InstanceIds that are no JSON list with 400 `InvalidParameter`", Kind: "page", Source: pageECS, Confidence: "medium"},
	{ID: "list.ids-empty", Does: "answers the empty list `[]` of InstanceIds with an empty list", Kind: "inference", Source: noSource, Confidence: "low"},
	{
		ID: "list.ids-many", Does: "answers more than 100 IDs with 403 `InvalidParameter.TooManyInstanceIds`", Kind: "page", Source: pageECS, Confidence: "medium",
		Covers: []string{"code InvalidParameter.TooManyInstanceIds"},
	},
	{ID: "list.ids-unknown", Does: "leaves an unknown ID out of the list", Kind: "page", Source: pageECS, Confidence: "medium"},
	{ID: "list.filter", Does: "lists instances that match all filters", Kind: "metadata", Source: metadata, Confidence: "high"},
	{ID: "list.filter-bad", Does: "answers a filter whose value it does not know with a code of that filter", Kind: "metadata", Source: metadata, Confidence: "medium", Covers: []string{
		"code Invalid.InstanceChargeType", "code InvalidFilterKey.NotFound", "code InvalidFilterValue", "code InvalidInstanceChargeType.NotFound",
		"code InvalidInternetChargeType.ValueNotSupported", "code InvalidLockReason.NotFound", "code InvalidNetworkType.NotFound", "code InvalidStatus.NotFound",
		"code InvalidTag.Mismatch", "code InvalidTagCount",
	}},
	{ID: "list.name", Does: "reads `*` in InstanceName as any text, and heeds the case of letters", Kind: "metadata", Source: metadata + "; nothing is said of the case", Confidence: "medium"},
	{ID: "list.tags", Does: "lists instances that have all tags of `Tag.N`, up to 20; one without a value stands for any value", Kind: "metadata", Source: metadata, Confidence: "medium"},
	{ID: "list.tags-one-key", Does: "lists nothing for two values of one key, because no instance has both", Kind: "metadata", Source: metadata + " asks for all tags at once", Confidence: "low"},
	{ID: "list.times", Does: "includes the minutes that `Filter.N` names", Kind: "inference", Source: noSource, Confidence: "low"},
	{ID: "list.refused", Does: "answers a documented parameter that it does not implement, several values of one parameter, and a gap in the numbers of a list such as `InstanceId.N` with 400 `NotImplementedByEcstest`", Kind: "ours", Source: "an ignored filter would list everything"},
	{ID: "list.dry-run", Does: "answers a dry run of a list with 400 `DryRunOperation`", Kind: "metadata", Source: metadata, Confidence: "high"},
	{ID: "list.page-default", Does: "lists 10 instances if no size is given, with a NextToken while pages remain", Kind: "inference", Source: "the vendor's CLI pages by it", Confidence: "low"},
	{ID: "list.page-token", Does: "raises MaxResults below 10 to 10, lowers it above 100 to 100, and continues by NextToken", Kind: "metadata", Source: metadata, Confidence: "high"},
	{ID: "list.page-short", Does: "returns fewer instances than asked for, with a NextToken, if a limit says so", Kind: "page", Source: pageECS, Confidence: "low", Covers: []string{"Options.MaxPage"}},
	{ID: "list.page-number", Does: "pages by PageNumber and PageSize, with TotalCount", Kind: "metadata", Source: metadata, Confidence: "high"},
	{ID: "list.page-large", Does: "answers a PageSize above 100 with 400 `InvalidParameter`", Kind: "inference", Source: noSource, Confidence: "low"},
	{
		ID: "status.list", Does: "lists IDs and statuses by `InstanceId.N` or `ZoneId`, up to 50 a page", Kind: "metadata", Source: metadata, Confidence: "high",
		Covers: []string{"operation DescribeInstanceStatus", "code InvalidZoneId.NotFound"},
	},
	{
		ID: "attribute.fields", Does: "reports an instance without StartTime and tags, and an unknown one with 404", Kind: "metadata", Source: metadata, Confidence: "high",
		Covers: []string{"operation DescribeInstanceAttribute"},
	},

	{ID: "attribute.seconds", Does: "reports CreationTime to the second in DescribeInstanceAttribute", Kind: "recording", Source: "two published recordings", Confidence: "medium"},
	{
		ID: "places.list", Does: "lists its one region, and the zones of its instances", Kind: "metadata", Source: metadata, Confidence: "medium",
		Covers: []string{"operation DescribeRegions", "operation DescribeZones", "code InvalidAcceptLanguage.NotFound", "code InvalidResourceType.NotFound"},
	},
	{
		ID: "events.list", Does: "lists scheduled system events and their history; a restart before the time of an event ends the event as avoided", Kind: "page",
		Source: pageECS, Confidence: "medium", Covers: []string{
			"operation DescribeInstancesFullStatus", "operation DescribeInstanceHistoryEvents", "Instance.Events", "code EventIdLimitExceeded", "code InstanceIdLimitExceeded",
			"code InvalidParameter.TimeEndBeforeStart",
		},
	},

	{ID: "events.selected", Does: "lists only instances with such events, and these events, if a request for full statuses selects events", Kind: "inference", Source: noSource, Confidence: "low"},

	// Flow control.
	{
		ID: "flow.throttle", Does: "answers calls above the limit of an action with 400 `Throttling.User`", Kind: "page", Source: pageFlow, Confidence: "high",
		Covers: []string{"Options.LimitPerMinute", "code Throttling.User", "code Throttling", "code Throttling.Api", "fault throttle"},
	},
	{ID: "flow.minute", Does: "opens the limit again with the next minute of its clock", Kind: "page", Source: pageFlow, Confidence: "high"},
	{ID: "flow.bucket", Does: "limits by a token bucket if asked to", Kind: "inference", Source: noSource, Confidence: "low", Covers: []string{"Options.LimitBurst"}},
	{
		ID: "flow.quotas", Does: "shows its limit as a quota of the category `FlowControl` in ListProductQuotas, up to 100 a page, at most 15 calls in a second", Kind: "metadata",
		Source: metadata, Confidence: "medium", Covers: []string{"operation ListProductQuotas", "code INVALID.MAX.RESULTS"},
	},
	{ID: "flow.quota-names", Does: "names a quota and its code like the operation, one for each, with the unit `count`", Kind: "inference", Source: noSource, Confidence: "low"},
	{ID: "flow.hint", Does: "says in a header how long to wait, if asked to; no header by default", Kind: "sdk", Source: sdkCore, Confidence: "low", Covers: []string{
		"Options.ThrottleHint", "hint x-acs-retry-after", "hint x-ratelimit-user-api", "hint x-ratelimit-user", "Fault.Hint", "Fault.HintHeader",
	}},

	// Records.
	{
		ID: "records.actiontrail", Does: "records calls that restart, stop or start instances, with user agent, RequestId and error code; LookupEvents shows them after 10 minutes, for 90 days",
		Kind: "page", Source: pageActionTrail, Confidence: "high", Covers: []string{"operation LookupEvents", "Options.AuditDelay"},
	},
	{
		ID: "records.events-query", Does: "looks up events by one condition, in the last week by default, the newest first, up to 50 a page", Kind: "metadata", Source: metadata, Confidence: "high",
		Covers: []string{"code InvalidParameterCombination", "code InvalidParameterEndTime", "code InvalidParameterStartTime", "code InvalidQueryParameter"},
	},
	{ID: "records.events-rate", Does: "answers more than 2 lookups of events in a second of its clock with 400 `Throttling.User`", Kind: "metadata", Source: metadata, Confidence: "medium"},
	{ID: "records.events-ends", Does: "includes the seconds that StartTime and EndTime name, and shows 20 events if no number is given", Kind: "inference", Source: noSource, Confidence: "low"},
	{ID: "records.refused", Does: "records calls that the operation refuses, dry runs and denied calls included, with the code of the refusal", Kind: "inference", Source: pageActionTrail + " has a field for the code", Confidence: "medium"},
	{ID: "records.turned-away", Does: "records no call that is throttled, or refused because of its signature, key or time stamp", Kind: "inference", Source: noSource, Confidence: "low"},
	{ID: "records.denied", Does: "answers a lookup of events or a query of quotas without permission with 403 `NoPermission`", Kind: "inference", Source: noSource, Confidence: "low", Covers: []string{"code NoPermission"}},
	{ID: "records.some", Does: "records only calls that change something, keeps at least the last 20,000 records of a kind, without parameters of more than 8 KiB, and can lose or delay those of single instances", Kind: "ours", Source: "limits and controls of tests", Covers: []string{
		"Instance.RecordsLate", "Instance.RecordsMissing",
	}},
	{
		ID: "records.cloudmonitor", Does: "records each change of status; DescribeSystemEventAttribute shows it with the time in milliseconds", Kind: "page",
		Source: pageNotifications, Confidence: "medium", Covers: []string{"operation DescribeSystemEventAttribute"},
	},
	{ID: "records.changes-delay", Does: "shows a change of status after 30 s; another delay can be set", Kind: "inference", Source: noSource, Confidence: "low", Covers: []string{"Options.StateChangeDelay"}},
	{
		ID: "records.changes-query", Does: "selects changes of status by time, level and keywords, which `and` and `or` join, up to 100 a page, and answers invalid parameters with 400 `ParameterInvalid`",
		Kind: "metadata", Source: metadata, Confidence: "medium", Covers: []string{"code ParameterInvalid", "code AccessForbidden"},
	},
	{ID: "records.changes-order", Does: "shows the newest change of status first, includes both ends of the period, and takes `Product` in any case", Kind: "inference", Source: noSource, Confidence: "low"},

	// Cloud Assistant.
	{
		ID: "agent.status", Does: "reports an agent as `true` if it sent a heartbeat in the last 2 minutes, and the time of its last heartbeat", Kind: "page",
		Source: pageAgent, Confidence: "high", Covers: []string{
			"operation DescribeCloudAssistantStatus", "Instance.NoAgent", "code InstanceIds.ExceedLimit", "code InvalidInstance.NotFound", "code MissingParam.InstanceId",
			"code InvalidParam.PageNumber", "code InvalidParam.PageSize", "code InvalidParameter.MaxResults", "code InvalidParameter.NextToken",
		},
	},
	{ID: "agent.heartbeat", Does: "lets an agent send a heartbeat each minute while its instance is Running", Kind: "page", Source: pageAgent + " names 55 to 65 s", Confidence: "medium"},
	{ID: "agent.first", Does: "lets an agent send its first heartbeat 5 s after the instance is Running; another time can be set", Kind: "ours", Source: "a time that suits tests", Covers: []string{"Instance.AgentDelay"}},
	{ID: "command.run", Does: "runs a command on up to 100 instances once, at the next reboot or at each; equal requests with one ClientToken get the response to the first one", Kind: "metadata", Source: metadata, Confidence: "high", Covers: []string{
		"operation RunCommand", "code IdempotentParameterMismatch", "code InvalidClientToken.Malformed", "code InvalidRepeatMode.NotFound", "code MissingParam.Frequency",
		"code CmdContent.DecodeError", "code CmdContent.ExceedLimit", "code CmdDesc.ExceedLimit", "code CmdName.ExceedLimit", "code InvalidCmdType.NotFound",
		"code InvalidInstance.NotMatch",
	}},
	{
		ID: "command.results", Does: "shows the last result of a command on each instance, and with IncludeHistory all its results; StopInvocation ends commands that wait for a reboot", Kind: "metadata",
		Source: metadata, Confidence: "high", Covers: []string{"operation DescribeInvocationResults", "operation DescribeInvocations", "operation StopInvocation", "code InvalidInvokeId.NotFound"},
	},
	{ID: "command.not-running", Does: "accepts a command for an instance that is not Running or has no agent, and shows `InstanceNotRunning` or `ClientNotRunning` as its result", Kind: "metadata", Source: metadata, Confidence: "medium"},
	{ID: "command.boot", Does: "runs a command that waits for a reboot when the agent is up after a restart or a start", Kind: "inference", Source: "the agent's source runs it at a cold start", Confidence: "medium"},
	{ID: "command.statuses", Does: "shows `Scheduled` and `Running` while a command waits for a reboot, `Cancelled` and `Stopped` after it was stopped before it ran, and the newest result first", Kind: "inference", Source: noSource, Confidence: "low"},
	{ID: "command.boot-id", Does: "runs at once the command that prints the boot ID, which is new after each boot; refuses other commands unless a function runs them, and more than 100 waiting commands of an instance", Kind: "ours", Source: "what a witness of restarts needs", Covers: []string{
		"Options.RunCommand", "code Invocation.ExceedQuota",
	}},
	{
		ID: "console.output", Does: "shows the console output of an instance in base64, with the Beijing time of the last start, restart or stop; Windows instances have none", Kind: "metadata", Source: metadata, Confidence: "high",
		Covers: []string{"operation GetInstanceConsoleOutput", "Instance.ConsoleOutput", "code NotSupported"},
	},
	{ID: "console.pending", Does: "answers 405 `IncorrectInstanceStatus` for the console output of an instance that never ran", Kind: "inference", Source: noSource, Confidence: "low"},
	{ID: "agent.denied", Does: "answers a query of agents without permission with 403 `Forbidden.RAM`, not with an empty list", Kind: "inference", Source: noSource, Confidence: "low"},

	// Faults.
	{ID: "fault.connection", Does: "breaks the connection, as networks and proxies do", Kind: "sdk", Source: sdkLegacy + " tests and handles these cases", Confidence: "high", Covers: []string{
		"fault refuse", "fault drop", "fault fin", "fault half-status-line", "fault truncate",
	}},
	{ID: "fault.silence", Does: "sends nothing, or falls silent after half a response, or answers late", Kind: "sdk", Source: sdkLegacy + " has read timeouts", Confidence: "high", Covers: []string{
		"fault hang", "fault stall", "fault delay", "Fault.Delay", "Fault.Late",
	}},
	{ID: "fault.error", Does: "answers with any code, and with its documented status", Kind: "page", Source: pageErrors, Confidence: "high", Covers: []string{"fault error", "Fault.Code", "Fault.Message", "Fault.Status"}},
	{ID: "fault.proxy", Does: "answers with the HTML page 502 of a front proxy", Kind: "recording", Source: "traces of other services of the vendor; none of ECS", Confidence: "medium", Covers: []string{
		"fault answer", "Fault.Body", "Fault.Header",
	}},
	{ID: "fault.choice", Does: "chooses which calls a fault hits, and whether the call is carried out, or refused although the response says something else", Kind: "ours", Source: "a control of tests", Covers: []string{
		"Fault.Kind", "Fault.Action", "Fault.InstanceID", "Fault.Real", "Fault.Skip", "Fault.Times", "Fault.Act", "Fault.Refuse",
	}},
	{ID: "server.controls", Does: "listens, reports calls and statuses, and closes idle connections", Kind: "ours", Source: "controls of tests", Covers: []string{
		"Options.Addr", "Options.IdleTimeout", "Options.OnCall", "Options.OnStatus", "Instance.Reboot",
	}},
}
