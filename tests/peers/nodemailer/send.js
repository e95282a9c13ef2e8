// node send.js PORT starttls|implicit USER PASSWORD FROM TO: sends one mail and prints the server's reply.
const { createTransport } = require("nodemailer");

const [port, secure, user, pass, from, to] = process.argv.slice(2);
const dot = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII=", "base64");

createTransport({
  host: "127.0.0.1",
  port: Number(port),
  secure: secure === "implicit",
  requireTLS: true,
  tls: { rejectUnauthorized: false },
  auth: { user, pass },
})
  .sendMail({
    from: `Butik <${from}>`,
    to,
    subject: "Kvittering æøå",
    text: "Tak for dit køb.",
    html: '<p>Tak for dit køb. <img src="cid:dot@shop"></p>',
    headers: { "X-Mail-Tag": "receipt", "X-Mail-Metadata": '{"order":"17"}' },
    attachments: [
      { filename: "dot.png", content: dot, cid: "dot@shop" },
      { filename: "faktura.pdf", content: Buffer.alloc(100_000, "pdf ") },
    ],
  })
  .then(
    (info) => console.log(info.response),
    (error) => {
      console.error(error.message);
      process.exitCode = 1;
    },
  );
