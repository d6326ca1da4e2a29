package conformance_test

import (
	"encoding/json"
	"encoding/xml"
	"testing"

	"github.com/stretchr/testify/require"
)

// vendorClient is one of the vendor's SDKs, as it stands, in one way to use it.
type vendorClient interface {
	reboot(id string, dryRun bool) reply
	// instances asks for ids, or for what has all the tags, or for all.
	instances(ids []string, tags map[string]string, nextToken string) reply
	statuses(ids ...string) reply
}

// flavor is a way to use one of the vendor's SDKs.
type flavor struct {
	name string
	new  func(t *testing.T, endpoint string, k key) vendorClient
}

// flavors are all of them.
var flavors = []flavor{
	{"alibaba-cloud-sdk-go/JSON", legacyClient("JSON", "")},
	{"alibaba-cloud-sdk-go/XML", legacyClient("XML", "")},
	{"alibaba-cloud-sdk-go/GET", legacyClient("JSON", "GET")},
	{"darabonba/V2", darabonbaClient("v2", inQuery, "json")},
	{"darabonba/V2/form", darabonbaClient("v2", inForm, "json")},
	{"darabonba/V2/XML", darabonbaClient("v2", inQuery, "xml")},
	{"darabonba/V3", darabonbaClient("", inQuery, "json")},
	{"darabonba/V3/form", darabonbaClient("", inForm, "json")},
	{"darabonba/V3/XML", darabonbaClient("", inQuery, "xml")},
}

// reply is what an SDK made of an answer.
type reply struct {
	requestID string
	body      // of a success

	err        error  // what the SDK returned
	code       string // of an error
	message    string
	status     int // HTTP; 0 with a success that does not tell
	retryAfter int64
	denied     map[string]any
}

// body has what a test looks at, as the service's documents name it.
type body struct {
	RequestID string `json:"RequestId" xml:"RequestId"`
	NextToken string
	Instances struct {
		Instance []struct {
			InstanceID     string `json:"InstanceId" xml:"InstanceId"`
			Status         string
			StartTime      string
			OperationLocks struct {
				LockReason []struct{ LockReason string }
			}
			Tags struct {
				Tag []struct{ TagKey, TagValue string }
			}
		}
	}
	InstanceStatuses struct {
		InstanceStatus []struct {
			InstanceID string `json:"InstanceId" xml:"InstanceId"`
			Status     string
		}
	}
}

// ids are those of the instances that the answer lists.
func (b body) ids() []string {
	var ids []string
	for _, i := range b.Instances.Instance {
		ids = append(ids, i.InstanceID)
	}
	return ids
}

// xmlError is what is read of an error that an SDK handed on without reading it.
type xmlError struct {
	XMLName                  xml.Name `xml:"Error"`
	RequestID                string   `xml:"RequestId"`
	HostID                   string   `xml:"HostId"`
	Code, Message, Recommend string
}

func jsonOf(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}
