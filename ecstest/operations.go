package ecstest

// operation is what the server can do.
type operation struct {
	product *product // nil for ECS
	// perSecond limits the calls in a second, whatever Options has; 0 means no such limit.
	perSecond int
	// perform returns the answer. If it restarts an instance, it notes that in the call.
	perform func(*Server, *request, *ReceivedCall) *answer
	// parameters are the documented parameters that the operation heeds, except filters.
	parameters []string
	// unimplemented are the documented parameters that it refuses, because to ignore them
	// would be to do something else than the service does.
	unimplemented []string
}

// The name of a numbered list ends with ".N".
var operations = map[string]operation{
	actionReboot: {
		perform:    (*Server).reboot,
		parameters: []string{"DryRun", "ForceStop", "InstanceId"},
	},
	actionList: {
		perform:    (*Server).describeInstances,
		parameters: []string{"DryRun", "Filter.N", "InstanceIds", "MaxResults", "NextToken", "PageNumber", "PageSize", "RegionId", "Tag.N"},
		unimplemented: []string{
			"AdditionalAttributes.N", "DeviceAvailable", "HpcClusterId", "HttpEndpoint", "HttpPutResponseHopLimit", "HttpTokens", "Ipv6Address.N",
			"NeedSaleCycle", "RdmaIpAddresses",
		},
	},
	actionStatus: {
		perform:       (*Server).describeInstanceStatus,
		parameters:    []string{"InstanceId.N", "PageNumber", "PageSize", "RegionId", "ZoneId"},
		unimplemented: []string{"ClusterId"},
	},
	actionAttribute: {
		perform:    (*Server).describeInstanceAttribute,
		parameters: []string{"InstanceId"},
	},
	actionReboots: {
		perform:    (*Server).rebootInstances,
		parameters: []string{"BatchOptimization", "DryRun", "ForceReboot", "InstanceId.N", "RegionId"},
	},
	actionStop: {
		perform:       (*Server).stop,
		parameters:    []string{"ConfirmStop", "DryRun", "ForceStop", "InstanceId", "StoppedMode"},
		unimplemented: []string{"Hibernate"},
	},
	actionStart: {
		perform:       (*Server).startInstance,
		parameters:    []string{"DryRun", "InstanceId"},
		unimplemented: []string{"InitLocalDisk"},
	},
	actionRegions: {
		perform:    (*Server).describeRegions,
		parameters: []string{"AcceptLanguage", "InstanceChargeType", "ResourceType"},
	},
	actionZones: {
		perform:       (*Server).describeZones,
		parameters:    []string{"AcceptLanguage", "RegionId"},
		unimplemented: []string{"InstanceChargeType", "SpotStrategy", "Verbose"},
	},
	actionEvents: {
		perform: (*Server).describeInstancesFullStatus,
		parameters: []string{
			"EventId.N", "EventPublishTime.End", "EventPublishTime.Start", "EventType", "HealthStatus", "InstanceEventType.N", "InstanceId.N",
			"NotBefore.End", "NotBefore.Start", "PageNumber", "PageSize", "RegionId", "Status",
		},
	},
	actionHistory: {
		perform: (*Server).describeInstanceHistoryEvents,
		parameters: []string{
			"EventCycleStatus", "EventId.N", "EventPublishTime.End", "EventPublishTime.Start", "EventType", "InstanceEventCycleStatus.N",
			"InstanceEventType.N", "InstanceId", "NotBefore.End", "NotBefore.Start", "PageNumber", "PageSize", "RegionId", "ResourceId.N", "ResourceType",
		},
		unimplemented: []string{"ImpactLevel", "MaxResults", "NextToken", "ResourceGroupId", "Tag.N"},
	},
	actionChanges: {
		product: productCloudMonitor,
		perform: (*Server).describeSystemEventAttribute,
		parameters: []string{
			"EndTime", "EventType", "Level", "Name", "PageNumber", "PageSize", "Product", "SearchKeywords", "StartTime", "Status",
		},
		unimplemented: []string{"GroupId"},
	},
	actionAgents: {
		perform:    (*Server).describeCloudAssistantStatus,
		parameters: []string{"InstanceId.N", "MaxResults", "NextToken", "OSType", "PageNumber", "PageSize", "RegionId"},
	},
	actionRun: {
		perform: (*Server).runCommand,
		parameters: []string{
			"ClientToken", "CommandContent", "ContentEncoding", "Description", "EnableParameter", "InstanceId.N", "KeepCommand", "Name", "RegionId",
			"RepeatMode", "Timed", "Timeout", "Type",
		},
		unimplemented: []string{
			"ContainerId", "ContainerName", "Frequency", "Parameters", "ResourceGroupId", "ResourceTag.N", "Tag.N", "TerminationMode", "Username",
			"WindowsPasswordName", "WorkingDir",
		},
	},
	actionResults: {
		perform: (*Server).describeInvocationResults,
		parameters: []string{
			"CommandId", "ContentEncoding", "IncludeHistory", "InstanceId", "InvokeId", "InvokeRecordStatus", "MaxResults", "NextToken", "PageNumber",
			"PageSize", "RegionId",
		},
		unimplemented: []string{"ResourceGroupId", "Tag.N"},
	},
	actionInvocations: {
		perform: (*Server).describeInvocations,
		parameters: []string{
			"CommandId", "CommandName", "CommandType", "ContentEncoding", "IncludeOutput", "InstanceId", "InvokeId", "InvokeStatus", "MaxResults",
			"NextToken", "PageNumber", "PageSize", "RegionId", "RepeatMode", "Timed",
		},
		unimplemented: []string{"ResourceGroupId", "Tag.N"},
	},
	actionStopRun: {
		perform:    (*Server).stopInvocation,
		parameters: []string{"InstanceId.N", "InvokeId", "RegionId"},
	},
	actionConsole: {
		perform:    (*Server).getInstanceConsoleOutput,
		parameters: []string{"InstanceId", "RegionId", "RemoveSymbols"},
	},
	actionQuotas: {
		product:       productQuotas,
		perSecond:     15,
		perform:       (*Server).listProductQuotas,
		parameters:    []string{"Dimensions.N", "KeyWord", "MaxResults", "NextToken", "ProductCode", "QuotaActionCode", "QuotaCategory"},
		unimplemented: []string{"GroupCode", "SortField", "SortOrder"},
	},
	actionLookup: {
		product:    productActionTrail,
		perSecond:  2,
		perform:    (*Server).lookupEvents,
		parameters: []string{"Direction", "EndTime", "LookupAttribute.N", "MaxResults", "NextToken", "StartTime"},
	},
}
