package ecstest

// product is a service of the cloud with a separate API. The API version of a call
// determines its product.
type product struct {
	name, version string
	prefix        string // of its actions in RAM
	denied        string // the code that a caller without permission gets
}

var (
	productECS          = &product{"Ecs", apiVersion, "ecs", "Forbidden.RAM"}
	productActionTrail  = &product{"Actiontrail", "2020-07-06", "actiontrail", "NoPermission"}
	productQuotas       = &product{"quotas", "2020-05-10", "quotas", "NoPermission"}
	productCloudMonitor = &product{"Cms", "2019-01-01", "cms", "AccessForbidden"}
)

// productOf returns the product that has the operation, and ECS for an unknown one.
func productOf(action string) *product {
	if p := operations[action].product; p != nil {
		return p
	}
	return productECS
}
