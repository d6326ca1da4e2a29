package ecsreboot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ecsreboot/ecsreboot/internal/document"
)

// instancePage is one response of DescribeInstances.
type instancePage struct {
	instances []Instance
	nextToken string
	clock     time.Time // the service's, zero if its Date was absent or cannot be right
	sentAt    time.Time // when the request left, by ours
}

// query is what one list is asked for.
type query struct {
	ids     []string // nil: all
	filter  []field  // in any order
	matches func(Instance) bool
	token   string
	onLeave func(string)  // called before each request, unless nil
	waited  time.Duration // for the service to stop throttling, before the call
}

// describePage reads one page, and of each instance what W has of it.
func describePage[W interface{ instance() Instance }](ctx context.Context, c *Client, q query, attempts int) (instancePage, error) {
	params := make([]field, 0, 4+len(q.filter))
	if q.ids != nil {
		// A JSON array; a bare id is refused, and a parameter InstanceId ignored.
		list, err := json.Marshal(q.ids)
		if err != nil {
			return instancePage{}, &OperationError{Operation: "DescribeInstances", Err: err}
		}
		params = append(params, field{"InstanceIds", string(list)})
	}
	params = append(params, field{"MaxResults", "100"})
	if q.token != "" {
		params = append(params, field{"NextToken", q.token})
	}
	params = append(params, field{"RegionId", c.region})
	if len(q.filter) > 0 {
		params = append(params, q.filter...)
		sort.Sort(byName(params)) // Tag.10 comes before Tag.2
	}
	op := operation{action: "DescribeInstances", params: params, repeatable: true, gate: &c.describeGate, attempts: attempts}
	if len(q.ids) == 1 {
		op.instanceID = q.ids[0]
	}
	var wire wirePage[W]
	op.into = &wire
	res, err := c.do(ctx, op, hooks{leaving: q.onLeave, waited: q.waited})
	if err != nil {
		return instancePage{}, err
	}
	clock := serviceClock(res.clock, res.sentAt.Add(res.offset), time.Now().Add(res.offset))
	page := instancePage{nextToken: wire.NextToken, clock: clock, sentAt: res.sentAt, instances: make([]Instance, len(wire.Instances.Instance))}
	for i, instance := range wire.Instances.Instance {
		page.instances[i] = instance.instance()
		page.instances[i].Region = cmp.Or(page.instances[i].Region, c.region)
		clean(&page.instances[i], wire.scrub)
	}
	return page, nil
}

// now is the time of the page by the service's clock, which is what an expiry is
// measured by, or else by ours.
func (p instancePage) now() time.Time {
	if p.clock.IsZero() {
		return time.Now()
	}
	return p.clock
}

// lookUp reads one instance, on whatever page it stands, and returns it with its
// page. One that is not listed has no status.
func (c *Client) lookUp(ctx context.Context, id string, attempts int) (Instance, instancePage, error) {
	q, list := query{ids: []string{id}}, pager{}
	for {
		page, err := describePage[wireInstance](ctx, c, q, attempts)
		if err != nil {
			return Instance{}, instancePage{}, err
		}
		for _, instance := range page.instances {
			if instance.ID == id {
				return instance, page, nil
			}
		}
		if more, err := list.follow(&q, page); !more {
			return Instance{ID: id}, page, err
		}
	}
}

// wirePage is the body of a response: lists are wrapped twice.
type wirePage[W any] struct {
	RequestID string `json:"RequestId"`
	NextToken string `json:"NextToken"`
	Instances struct {
		Instance []W `json:"Instance"`
	} `json:"Instances"`

	scrub func(string) string
}

// page is a body to be read, with what scrubs the secrets of its attempt.
type page interface {
	list() string // the member that holds its list
	read(body []byte, scrub func(string) string) bool
}

// clean scrubs what of an instance errors show.
func clean(i *Instance, scrub func(string) string) {
	switch i.Status {
	case StatusPending, StatusStarting, StatusRunning, StatusStopping, StatusStopped:
	default:
		i.Status = Status(quoteChanged(string(i.Status), scrub))
	}
	for n, lock := range i.Locks {
		if !strings.EqualFold(lock, "security") && !strings.EqualFold(lock, "financial") { // these decide
			i.Locks[n] = quoteChanged(lock, scrub)
		}
	}
}

// quoteChanged scrubs a text, and quotes it if that changed it: it must not become a
// status or a lock that the service did not send.
func quoteChanged(text string, scrub func(string) string) string {
	if scrubbed := scrub(text); scrubbed != text {
		return strconv.Quote(scrubbed)
	}
	return text
}

// pageList is the member of a page that holds its list.
const pageList = "Instances"

// pageShapes are the elements of a page in XML that are objects, with what they list.
var pageShapes = map[string]string{
	pageList: "Instance", "OperationLocks": "LockReason", "Tags": "Tag", "VpcAttributes": "", "EipAddress": "",
	"PrivateIpAddress": "IpAddress", "InnerIpAddress": "IpAddress", "PublicIpAddress": "IpAddress",
}

func (*wirePage[W]) list() string { return pageList }

// read reads a page whose JSON is known to be valid, or whose XML [document.Read] has
// accepted. A page on which a key occurs
// twice, its own or an instance's, whatever its case, could be read in two ways: it is
// not read. See BenchmarkPage.
func (p *wirePage[W]) read(body []byte, scrub func(string) string) bool {
	var page wirePage[W] // a new one, so that nothing of an unreadable page is left
	if len(body) > 0 && body[0] == '<' {
		asJSON, ok := document.JSON(body, pageList, pageShapes)
		if !ok {
			return false
		}
		body = asJSON
	}
	if len(body) == 0 || body[0] != '{' || !document.UniqueNames(body, pageList, "Instance") || !page.decode(body) {
		return false
	}
	page.scrub = scrub
	*p = page
	return true
}

// decode decodes a page as encoding/json does, whose names are different in any case. It
// walks through what stands around the instances, so that each of them decodes itself: a
// poll reads a few members of 100 instances, and has no use for the others.
func (p *wirePage[W]) decode(body []byte) bool {
	c := document.Walk(body)
	for name := range c.Members() {
		ok := true
		switch {
		case foldsTo(name, "RequestId"):
			ok = decodeText(c, &p.RequestID)
		case foldsTo(name, "NextToken"):
			ok = decodeText(c, &p.NextToken)
		case foldsTo(name, pageList):
			ok = p.decodeList(c)
		default:
			c.Skip()
		}
		if !ok {
			return false
		}
	}
	return true
}

func (p *wirePage[W]) decodeList(c *document.Cursor) bool {
	if c.Kind() != '{' {
		return string(c.Skip()) == "null"
	}
	for name := range c.Members() {
		switch {
		case !foldsTo(name, "Instance"):
			c.Skip()
		case c.Kind() != '[':
			if string(c.Skip()) != "null" {
				return false
			}
		default:
			for range c.Elements() {
				var instance W
				if !decodeInstance(c, &instance) {
					return false
				}
				p.Instances.Instance = append(p.Instances.Instance, instance)
			}
		}
	}
	return true
}

// decodeInstance decodes an instance that has no name twice.
func decodeInstance(c *document.Cursor, instance any) bool {
	reading, ok := instance.(*wireReading)
	if !ok {
		return json.Unmarshal(c.Skip(), instance) == nil
	}
	if c.Kind() != '{' {
		return string(c.Skip()) == "null"
	}
	for name := range c.Members() {
		ok := true
		switch {
		case foldsTo(name, "InstanceId"):
			ok = decodeText(c, &reading.InstanceID)
		case foldsTo(name, "Status"):
			ok = decodeText(c, &reading.Status)
		case foldsTo(name, "StartTime"):
			ok = decodeText(c, &reading.StartTime)
		case foldsTo(name, "ExpiredTime"):
			ok = decodeText(c, &reading.ExpiredTime)
		case foldsTo(name, "OperationLocks"):
			ok = json.Unmarshal(c.Skip(), &reading.OperationLocks) == nil
		default:
			c.Skip()
		}
		if !ok {
			return false
		}
	}
	return true
}

// foldsTo reports whether encoding/json takes the name for that of a field.
func foldsTo(name []byte, field string) bool {
	if len(name) == 0 || name[0] < utf8.RuneSelf && name[0]|' ' != field[0]|' ' { // mostly
		return false
	}
	return strings.EqualFold(string(name), field)
}

// decodeText decodes a string, or null, which changes nothing.
func decodeText(c *document.Cursor, text *string) bool {
	switch c.Kind() {
	case '"':
		*text = string(c.Text())
		return true
	case 'n':
		c.Skip()
		return true
	default:
		return false
	}
}

// wireReading is what a wait needs to know of an instance, and no more: it reads
// often.
type wireReading struct {
	InstanceID     string `json:"InstanceId"`
	Status         string `json:"Status"`
	StartTime      string `json:"StartTime"`
	ExpiredTime    string `json:"ExpiredTime"`
	OperationLocks struct {
		LockReason []struct {
			LockReason string `json:"LockReason"`
		} `json:"LockReason"`
	} `json:"OperationLocks"`
}

func (w wireReading) instance() Instance {
	i := Instance{
		ID:          w.InstanceID,
		Status:      Status(w.Status),
		StartTime:   parseMinute(w.StartTime),
		ExpiredTime: parseMinute(w.ExpiredTime),
	}
	for _, lock := range w.OperationLocks.LockReason {
		i.Locks = append(i.Locks, lock.LockReason)
	}
	return i
}

type wireInstance struct {
	wireReading

	InstanceName    string    `json:"InstanceName"`
	RegionID        string    `json:"RegionId"`
	ZoneID          string    `json:"ZoneId"`
	HostName        string    `json:"HostName"`
	InstanceType    string    `json:"InstanceType"`
	ResourceGroupID string    `json:"ResourceGroupId"`
	InnerIPAddress  addresses `json:"InnerIpAddress"` // in the classic network
	PublicIPAddress addresses `json:"PublicIpAddress"`
	EIPAddress      struct {
		IPAddress string `json:"IpAddress"`
	} `json:"EipAddress"`
	VPCAttributes struct {
		VPCID            string    `json:"VpcId"`
		PrivateIPAddress addresses `json:"PrivateIpAddress"`
	} `json:"VpcAttributes"`
	CreationTime string `json:"CreationTime"`
	StoppedMode  string `json:"StoppedMode"`
	Tags         struct {
		Tag []struct {
			TagKey   string `json:"TagKey"`
			TagValue string `json:"TagValue"`
		} `json:"Tag"`
	} `json:"Tags"`
}

type addresses struct {
	IPAddress []string `json:"IpAddress"`
}

// valid returns the texts that are IP addresses: they become parts of URLs.
func valid(texts ...string) (ips []string) {
	for _, text := range texts {
		if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
			ips = append(ips, text)
		}
	}
	return ips
}

func (w wireInstance) instance() Instance {
	i := w.wireReading.instance()
	i.Name, i.Zone, i.StoppedMode = w.InstanceName, w.ZoneID, w.StoppedMode
	i.Region, i.VPCID, i.InstanceType, i.ResourceGroupID = w.RegionID, w.VPCAttributes.VPCID, w.InstanceType, w.ResourceGroupID
	i.HostName = w.HostName
	i.PrivateIPs = valid(append(w.VPCAttributes.PrivateIPAddress.IPAddress, w.InnerIPAddress.IPAddress...)...)
	i.PublicIPs = valid(append(w.PublicIPAddress.IPAddress, w.EIPAddress.IPAddress)...)
	i.CreationTime = parseMinute(w.CreationTime)
	if len(w.Tags.Tag) > 0 {
		i.Tags = make(map[string]string, len(w.Tags.Tag))
	}
	for _, tag := range w.Tags.Tag {
		i.Tags[tag.TagKey] = tag.TagValue
	}
	return i
}

// parseMinute reads a time of the service: 2017-12-10T04:04Z, or with seconds, as
// one of its pages claims. An unreadable time is zero: it proves nothing.
func parseMinute(text string) time.Time {
	for _, layout := range []string{"2006-01-02T15:04Z", "2006-01-02T15:04:05Z"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.Truncate(time.Minute) // seconds on one page must not look later than none on another
		}
	}
	return time.Time{}
}

const (
	// maxListPages bounds a list of all instances: a million of them, 100 a page.
	maxListPages = 10_000
	// spareListPages is how many pages more than instances a list of IDs may have. The
	// service lists 100 instances a page, but may list fewer.
	spareListPages = 10
	// maxEmptyPages is how many pages in a row may list nothing.
	maxEmptyPages = 10
)

// pager follows the page tokens of one list, which a faulty service might never end.
type pager struct {
	tokens       map[string]bool
	pages, empty int
}

// follow puts the token of the next page into the query, and reports whether there is one.
// The error ends a list that has no end.
func (p *pager) follow(q *query, page instancePage) (more bool, err error) {
	p.pages++
	p.empty++
	if len(page.instances) > 0 {
		p.empty = 0
	}
	limit := maxListPages
	if q.ids != nil {
		limit = len(q.ids) + spareListPages
	}
	switch {
	case page.nextToken == "":
		return false, nil
	case p.tokens[page.nextToken]:
		err = errors.New("the service returned the same page token twice")
	case p.empty >= maxEmptyPages:
		err = fmt.Errorf("the service returned %d empty pages in a row", p.empty)
	case p.pages >= limit:
		err = fmt.Errorf("the list has not ended after %d pages", p.pages)
	}
	if err != nil {
		return false, &OperationError{Operation: "DescribeInstances", Err: err}
	}
	if p.tokens == nil {
		p.tokens = make(map[string]bool)
	}
	q.token = page.nextToken
	p.tokens[q.token] = true
	return true, nil
}
