'use strict';

// serve carries out the commands on standard input, one JSON object a line, and
// prints an answer to each, one JSON object a line. A script passes its client:
//
//   reboot({instance, force, dryRun}) resolves to the request ID;
//   page(query) resolves to {requestID, total, nextToken, instances}, where query
//   has the service's parameters but a list of tags instead of Tag.N;
//   refusal(error) tells what the client made of an error.
//
// It refuses every connection except to 127.0.0.1.

const net = require('net');
const readline = require('readline');

const connect = net.Socket.prototype.connect;
net.Socket.prototype.connect = function (...args) {
  const options = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (typeof options !== 'object' || options.host !== '127.0.0.1') {
    throw new Error(`refused to connect to ${options.host || options}`);
  }
  return connect.apply(this, args);
};

const pageSize = 100;

// pagings are the ways to read a list to its end. Each yields the parameters of a
// page, and is handed the page.
const pagings = {
  * number() {
    for (let number = 1, read = 0, page; !page || read < page.total; number++) {
      page = yield { PageNumber: number, PageSize: pageSize };
      read += page.instances.length;
    }
  },
  * token() {
    for (let page; !page || page.nextToken;) {
      page = yield { MaxResults: pageSize, ...(page && { NextToken: page.nextToken }) };
    }
  },
  // This is how the vendor's command line reads a list whose paging nobody set.
  * default() {
    for (let page; !page || page.nextToken;) {
      page = yield page ? { NextToken: page.nextToken } : {};
    }
  },
};

const mostPages = 50;

async function list(client, { region, instances, tags, name, paging }) {
  const query = { RegionId: region };
  if (instances) query.InstanceIds = JSON.stringify(instances);
  if (name) query.InstanceName = name;
  if (tags) query.tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  const answer = { instances: [], pages: 0 };
  const pages = pagings[paging || 'number']();
  for (let next = pages.next(); !next.done && answer.pages < mostPages;) {
    const page = await client.page({ ...query, ...next.value });
    answer.pages++;
    answer.requestID = page.requestID;
    answer.instances.push(...page.instances);
    next = pages.next(page);
  }
  return answer;
}

async function answer(makeClient, command) {
  const client = makeClient(command);
  try {
    switch (command.call) {
      case 'reboot':
        return { requestID: await client.reboot(command) };
      case 'list':
        return await list(client, command);
      default:
        throw new Error(`unknown call ${command.call}`);
    }
  } catch (error) {
    return { error: { text: String(error), ...client.refusal(error) } };
  }
}

module.exports = async function serve(makeClient) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(makeClient, JSON.parse(line))));
  }
  process.exit();
};
