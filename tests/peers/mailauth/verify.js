// node verify.js < {"zone": {name: TXT}, "mails": {case: base64}}: prints {case: [[algorithm, result], ...]}.
const { dkimVerify } = require("mailauth/lib/dkim/verify");

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const { zone, mails } = JSON.parse(Buffer.concat(chunks));
  const resolver = async (name, type) => {
    if (type === "TXT" && zone[name]) return [[zone[name]]];
    throw Object.assign(new Error(`no such name: ${name}`), { code: "ENOTFOUND" });
  };
  const verdicts = {};
  for (const [name, mail] of Object.entries(mails)) {
    const { results } = await dkimVerify(Buffer.from(mail, "base64"), { resolver });
    verdicts[name] = results.map(({ algo, status }) => [algo, status.comment ? `${status.result} ${status.comment}` : status.result]);
  }
  console.log(JSON.stringify(verdicts));
}

main();
