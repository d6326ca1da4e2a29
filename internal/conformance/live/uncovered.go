package main

// uncovered are the claims that the kit does not compare with the service, each with the
// reason. Rows of kind "ours" claim nothing about the service and need no reason.
// docs/validate.md has the same table.
var uncovered = []struct{ id, why string }{
	{"auth.inactive", "the kit would have to disable an access key"},
	{"auth.legacy", "a choice of the fake: the rows `auth.secret`, `auth.key`, `auth.clock-past` and `auth.missing` show which codes the service sends"},
	{"reboot.locked", "the service sets and removes security locks; the kit refuses a locked instance"},
	{"reboot.expired", "the kit would need an instance that has expired"},
	{"reboot.order", "the kit would need an instance that is locked and has expired"},
	{"reboot.hang", "nobody can cause it. If it happens, the run stops, and the trace holds the last status"},
	{"reboot.errors", "nobody can cause these failures of disks, keys and the service"},
	{"reboot.common-errors", "nobody can cause these failures of the service"},
	{"power.switch", "the kit does not stop the instance"},
	{"power.locked", "the service sets and removes security locks; the kit does not stop the instance"},
	{"list.page-short", "a choice of the fake: the rows `list.page-default` and `list.page-token` show whether the service does it"},
	{"flow.bucket", "a choice of the fake: the row `flow.minute` shows when the service lets calls through again"},
	{"console.pending", "the kit would have to create an instance"},
	{"fault.connection", "the kit cannot break the network"},
	{"fault.silence", "the kit cannot break the network"},
	{"fault.error", "the kit cannot make the service fail. A status of 500 or more stops the run"},
	{"fault.proxy", "the kit cannot make the front proxy fail. A response without a request ID stops the run"},
}
