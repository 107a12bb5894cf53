// SPDX-License-Identifier: MIT
// Certificates of our own making, by the openssl command.
import fs from "node:fs";
import path from "node:path";
import { must } from "./process.mjs";

// A certificate that stands for itself; returns what node's https takes, and the files' names.
export async function makeCertificate(folder, name, { host = "IP:127.0.0.1" } = {}) {
  const file = path.join(folder, `${name}.pem`), keyFile = path.join(folder, `${name}.key`);
  await must("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
    "-nodes", "-days", "2", "-subj", `/CN=${name}`, "-addext", `subjectAltName=${host}`,
    "-keyout", keyFile, "-out", file]);
  return { cert: fs.readFileSync(file), key: fs.readFileSync(keyFile), file, keyFile };
}
