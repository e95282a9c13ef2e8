// node judge.js < {"server": "ip:port", "mails": [{"content": base64, "ip", "helo", "sender"}]}: prints what a receiver finds, one a mail:
// {spf: [result, domain], dkim: [result, ...], dmarc: result, policy, aligned: {spf, dkim}}. Names are asked at that DNS server.
// The parts by themselves: all of it together wants a newer Node for BIMI.
const { Resolver } = require("node:dns").promises;
const { dkimVerify } = require("mailauth/lib/dkim/verify");
const { dmarc } = require("mailauth/lib/dmarc");
const { spf } = require("mailauth/lib/spf");

async function judge({ content, ip, helo, sender }, resolver) {
  const signed = await dkimVerify(Buffer.from(content, "base64"), { resolver, sender });
  const sent = await spf({ resolver, ip, helo, sender, mta: "mx.there.test" });
  const passed = signed.results.filter(({ status }) => status.result === "pass");
  const found = await dmarc({
    headerFrom: signed.headerFrom,
    spfDomains: sent.status.result === "pass" ? [sent.domain] : [],
    dkimDomains: passed.map(({ id, signingDomain }) => ({ id, domain: signingDomain })),
    resolver,
  });
  return {
    spf: [sent.status.result, sent.domain],
    dkim: signed.results.map(({ status }) => status.result),
    dmarc: found.status.result,
    policy: found.policy,
    aligned: { spf: Boolean(found.alignment.spf.result), dkim: Boolean(found.alignment.dkim.result) },
  };
}

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const { server, mails } = JSON.parse(Buffer.concat(chunks));
  const names = new Resolver();
  names.setServers([server]);
  const verdicts = [];
  for (const mail of mails) verdicts.push(await judge(mail, (name, type) => names.resolve(name, type)));
  console.log(JSON.stringify(verdicts));
}

main();
