'use strict';

// The vendor's generic client: signature 1.0. Its argument is the HTTP method.

const { RPCClient } = require('@alicloud/pop-core');
const serve = require('./serve');

const options = { method: process.argv[2] };

serve(({ endpoint, key }) => {
  const client = new RPCClient({
    endpoint,
    apiVersion: '2014-05-26',
    accessKeyId: key.id,
    accessKeySecret: key.secret,
    securityToken: key.token,
  });
  return {
    async reboot({ instance, force, dryRun }) {
      const params = { InstanceId: instance };
      if (force !== undefined) params.ForceStop = force;
      if (dryRun !== undefined) params.DryRun = dryRun;
      return (await client.request('RebootInstance', params, options)).RequestId;
    },
    async page({ tags, ...query }) {
      const { RequestId, TotalCount, NextToken, Instances } = await client.request('DescribeInstances', { ...query, ...(tags && { Tag: tags }) }, options);
      return {
        requestID: RequestId,
        total: TotalCount,
        nextToken: NextToken,
        instances: Instances.Instance.map((i) => ({
          id: i.InstanceId,
          name: i.InstanceName,
          status: i.Status,
          hostName: i.HostName,
          instanceType: i.InstanceType,
          startTime: i.StartTime,
          privateIP: i.VpcAttributes.PrivateIpAddress.IpAddress[0],
          tags: Object.fromEntries(((i.Tags && i.Tags.Tag) || []).map(({ TagKey, TagValue }) => [TagKey, TagValue])),
        })),
      };
    },
    refusal: ({ data, entry }) => (data ? {
      code: data.Code, status: entry.response.statusCode, message: data.Message, requestID: data.RequestId,
    } : {}),
  };
});
