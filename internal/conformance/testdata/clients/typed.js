'use strict';

// What the two typed SDKs have in common: the names of the service begin with a
// small letter.

// request names the parameters as the SDKs do.
exports.request = ({ tags, ...query }) => {
  const request = {};
  for (const [name, value] of Object.entries(query)) {
    request[name[0].toLowerCase() + name.slice(1)] = value;
  }
  if (tags) request.tag = tags.map(({ Key, Value }) => ({ key: Key, value: Value }));
  return request;
};

exports.page = ({ requestId, totalCount, nextToken, instances }) => ({
  requestID: requestId,
  total: totalCount,
  nextToken,
  instances: instances.instance.map((i) => ({
    id: i.instanceId,
    name: i.instanceName,
    status: i.status,
    hostName: i.hostName,
    instanceType: i.instanceType,
    startTime: i.startTime,
    privateIP: i.vpcAttributes.privateIpAddress.ipAddress[0],
    tags: Object.fromEntries(((i.tags && i.tags.tag) || []).map(({ tagKey, tagValue }) => [tagKey, tagValue])),
  })),
});
