// ws, of npm: the same programs as rig.py, in JavaScript.
//
//     node with_ws.mjs server [CERTIFICATE]
//     node with_ws.mjs client
//
// ws is looked for in the folder that WSFAST_NODE_MODULES names.

import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const { WebSocket, WebSocketServer } = createRequire(`${process.env.WSFAST_NODE_MODULES}/`)("ws");

const SUBPROTOCOL = "chat.v2";
const LIMIT = 32 << 20;

const tell = (what) => console.log(JSON.stringify(what));

class Closed extends Error {}

class End {
  #waiting = [];
  #receivers = [];

  constructor(socket) {
    this.socket = socket;
    socket.on("message", (data, isBinary) => this.#put(isBinary ? data : data.toString()));
    socket.on("close", (code, reason) => {
      this.closed = [code, reason.toString()];
      this.#put(null);
    });
  }

  #put(received) {
    const receiver = this.#receivers.shift();
    if (receiver) receiver(received);
    else this.#waiting.push(received);
  }

  async receive() {
    const received = this.#waiting.length
      ? this.#waiting.shift()
      : await new Promise((resolve) => this.#receivers.push(resolve));
    if (received === null) throw new Closed();
    return received;
  }

  send(message) {
    this.socket.send(message);
  }

  sendFragments(pieces) {
    pieces.forEach((piece, i) => this.socket.send(piece, { fin: i === pieces.length - 1 }));
  }

  async ping() {
    this.socket.ping("are you there?");
    const [payload] = await once(this.socket, "pong");
    if (payload.toString() !== "are you there?") throw new Error(`not its pong: ${payload}`);
  }

  close(code, reason) {
    this.socket.close(code, reason);
  }
}

function build({ text, hex, times = 1 }) {
  if (text !== undefined) return text.repeat(times);
  return Buffer.concat(Array(times).fill(Buffer.from(hex, "hex")));
}

function seen(message) {
  const payload = Buffer.from(message);
  const digest = createHash("sha256").update(payload).digest("hex");
  return [typeof message === "string" ? "text" : "binary", payload.length, digest];
}

function thirds(message) {
  const third = Math.floor(message.length / 3);
  return [message.slice(0, third), message.slice(third, 2 * third), message.slice(2 * third)];
}

async function converse(end, path, conversation) {
  try {
    if (path === "/ping") {
      await end.ping();
      end.send("the pong came");
    }
    for (;;) {
      const message = await end.receive();
      if (path === "/close") {
        const [code, ...reason] = message.split(" ");
        end.close(Number(code), reason.join(" "));
      } else if (path === "/fragments") end.sendFragments(thirds(message));
      else end.send(message);
    }
  } catch (error) {
    if (error instanceof Closed) tell({ conversation, closed: end.closed });
    else tell({ conversation, error: error.stack });
  }
}

function serve(certificate) {
  const pem = certificate && readFileSync(certificate);
  const http = pem ? createHttpsServer({ key: pem, cert: pem }) : createHttpServer();
  const server = new WebSocketServer({
    server: http,
    maxPayload: LIMIT,
    perMessageDeflate: true,
    handleProtocols: (offered) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
  });
  server.on("connection", (socket, request) => {
    const [path, conversation = ""] = request.url.split("?");
    converse(new End(socket), path, conversation);
  });
  http.listen(0, "127.0.0.1", () => tell({ port: http.address().port }));
}

async function carryOut({ uri, authority, subprotocols, compression, steps }) {
  const socket = new WebSocket(uri, subprotocols, {
    ca: authority && readFileSync(authority),
    maxPayload: LIMIT,
    perMessageDeflate: compression,
  });
  const end = new End(socket);
  await once(socket, "open");
  const received = [];
  let closed = null;
  for (const [step, ...details] of steps) {
    if (step === "send") end.send(build(details[0]));
    else if (step === "send_fragments") end.sendFragments(details.map(build));
    else if (step === "receive") received.push(seen(await end.receive()));
    else if (step === "ping") await end.ping();
    else if (step === "close") end.close(...details);
    else if (step === "wait_closed") {
      await end.receive().then(
        (message) => Promise.reject(new Error(`another message came: ${message}`)),
        () => (closed = end.closed),
      );
    }
  }
  socket.terminate();
  const compressed = socket.extensions.includes("permessage-deflate");
  return { received, closed, subprotocol: socket.protocol || null, compressed };
}

async function answerTasks() {
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      tell(await carryOut(JSON.parse(line)));
    } catch (error) {
      tell({ error: error.stack });
    }
  }
}

const [role, certificate] = process.argv.slice(2);
if (role === "server") serve(certificate);
else await answerTasks();
