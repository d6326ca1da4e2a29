'use strict';

// Version 1.1.0 of the vendor's ECS SDK: signature 1.0, no paging by token.

const { default: Client, RebootInstanceRequest, DescribeInstancesRequest } = require('ecs20140526-v1');
const { Config } = require('@alicloud/rpc-client');
const serve = require('./serve');
const typed = require('./typed');

serve(({ endpoint, region, key }) => {
  const { protocol, host } = new URL(endpoint);
  const client = new Client(new Config({
    endpoint: host,
    protocol: protocol.slice(0, -1),
    regionId: region,
    accessKeyId: key.id,
    accessKeySecret: key.secret,
    securityToken: key.token,
  }));
  return {
    async reboot({ instance, force, dryRun }) {
      const body = await client.rebootInstance(new RebootInstanceRequest({ instanceId: instance, forceStop: force, dryRun }));
      return body.requestId;
    },
    async page(query) {
      return typed.page(await client.describeInstances(new DescribeInstancesRequest(typed.request(query))));
    },
    // It adds "Error" to the code, and tells the status in the message only.
    refusal: ({ data, message }) => (data ? {
      code: data.Code, status: Number(/code: (\d+)/.exec(message)[1]), message: data.Message, requestID: data.RequestId,
    } : {}),
  };
});
