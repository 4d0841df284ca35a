// Takes the two rules that EC2 gives to the default security group of a VPC away. CloudFormation cannot, so it calls this
// function (a custom resource). It is one file without packages, for it is written into the template as it is.
const { createHash, createHmac } = require('node:crypto');

/** Signature version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
function sign({ method, host, path, headers, body, service, region, now, keys }) {
  const hash = (text) => createHash('sha256').update(text).digest('hex');
  const hmac = (key, text) => createHmac('sha256', key).update(text).digest();
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '');
  const day = time.slice(0, 8);
  const signed = { ...headers, host, 'x-amz-date': time };
  if (keys.token) signed['x-amz-security-token'] = keys.token;
  const names = Object.keys(signed).sort();
  const lines = names.map((name) => `${name}:${signed[name]}\n`).join('');
  const canonical = [method, path, '', lines, names.join(';'), hash(body)].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const key = [day, region, service, 'aws4_request'].reduce(hmac, `AWS4${keys.secret}`);
  const signature = hmac(key, ['AWS4-HMAC-SHA256', time, scope, hash(canonical)].join('\n')).toString('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${keys.id}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return { ...signed, authorization };
}

/** A rule that is not there is as good as one taken away: the call may come twice. */
async function call(action, parameters) {
  const { AWS_REGION: region, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_EC2, EC2_HOST } = process.env;
  const url = new URL(AWS_ENDPOINT_URL_EC2 ?? AWS_ENDPOINT_URL ?? `https://${EC2_HOST}`);
  const body = new URLSearchParams({ Action: action, Version: '2016-11-15', ...parameters }).toString();
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = process.env;
  const { host, ...headers } = sign({
    method: 'POST',
    host: url.host,
    path: '/',
    headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
    body,
    service: 'ec2',
    region,
    now: new Date(),
    keys: { id, secret, token },
  });
  const answer = await fetch(new URL('/', url), { method: 'POST', headers, body, signal: AbortSignal.timeout(10_000) });
  const text = await answer.text();
  if (!answer.ok && !text.includes('InvalidPermission.NotFound'))
    throw new Error(`${action}: ${answer.status} ${text}`);
}

async function empty(group) {
  const every = { GroupId: group, 'IpPermissions.1.IpProtocol': '-1' };
  await call('RevokeSecurityGroupIngress', { ...every, 'IpPermissions.1.Groups.1.GroupId': group });
  await call('RevokeSecurityGroupEgress', { ...every, 'IpPermissions.1.IpRanges.1.CidrIp': '0.0.0.0/0' });
}

/** The group goes with its VPC, so there is nothing to do when the stack is deleted. */
async function handler(event) {
  const answer = { Status: 'SUCCESS', PhysicalResourceId: event.PhysicalResourceId ?? 'default-group' };
  try {
    if (event.RequestType !== 'Delete') {
      await empty(event.ResourceProperties.GroupId);
      answer.PhysicalResourceId = `emptied-${event.ResourceProperties.GroupId}`;
    }
  } catch (thrown) {
    console.error(thrown);
    Object.assign(answer, { Status: 'FAILED', Reason: String(thrown) });
  }
  const { StackId, RequestId, LogicalResourceId } = event;
  const body = JSON.stringify({ ...answer, StackId, RequestId, LogicalResourceId });
  // The address is signed without a content type, and must be asked without one.
  await fetch(event.ResponseURL, { method: 'PUT', headers: { 'content-type': '' }, body });
}

module.exports = { handler, sign };
