'use strict';

// The vendor's ECS SDK of today: signature ACS3-HMAC-SHA256.

const { default: Client, RebootInstanceRequest, DescribeInstancesRequest } = require('@alicloud/ecs20140526');
const { $OpenApiUtil } = require('@alicloud/openapi-core');
const serve = require('./serve');
const typed = require('./typed');

serve(({ endpoint, region, key }) => {
  const { protocol, host } = new URL(endpoint);
  const client = new Client(new $OpenApiUtil.Config({
    endpoint: host,
    protocol: protocol.slice(0, -1).toUpperCase(),
    regionId: region,
    accessKeyId: key.id,
    accessKeySecret: key.secret,
    securityToken: key.token,
  }));
  return {
    async reboot({ instance, force, dryRun }) {
      const { body } = await client.rebootInstance(new RebootInstanceRequest({ instanceId: instance, forceStop: force, dryRun }));
      return body.requestId;
    },
    async page(query) {
      const { body } = await client.describeInstances(new DescribeInstancesRequest(typed.request(query)));
      return typed.page(body);
    },
    // Without data, the code is one of Node.js.
    refusal: ({ code, statusCode, requestId, retryAfter, data }) => (data ? {
      code, status: statusCode, message: data.Message, requestID: requestId, retryAfter,
    } : {}),
  };
});
