// Replica set and users of MongoDB. Safe to run again at any time: it initiates the set only
// where that was not done, corrects the member's address on a volume that was moved, and
// brings the monitoring user in line. Read by mongosh without a connection (--nodb).
//
//   MONGO_HOST, MONGO_PORT, MONGO_USER, MONGO_REPLICA_SET, MONITORING_USER
//   /run/secrets/mongo-password, /run/secrets/monitoring-password

const fs = require('fs');
const secret = (name) => fs.readFileSync(`/run/secrets/${name}`, 'utf8').trim();
const { MONGO_HOST, MONGO_PORT, MONGO_USER, MONGO_REPLICA_SET, MONITORING_USER } = process.env;
const address = `${MONGO_HOST}:${MONGO_PORT}`;

const admin = new Mongo(`mongodb://${address}/?directConnection=true&serverSelectionTimeoutMS=30000`).getDB('admin');
try {
  admin.auth(MONGO_USER, secret('mongo-password'));
} catch (error) {
  throw new Error(`${MONGO_USER} was refused by ${address}: the volume was made with another MONGO_PASSWORD (${error.codeName})`);
}

function config() {
  try {
    return admin.adminCommand({ replSetGetConfig: 1 }).config;
  } catch (error) {
    if (error.codeName === 'NotYetInitialized') return null;
    throw error;
  }
}

const current = config();
if (!current) {
  admin.adminCommand({ replSetInitiate: { _id: MONGO_REPLICA_SET, members: [{ _id: 0, host: address }] } });
  print(`replica set ${MONGO_REPLICA_SET} initiated with ${address}`);
} else if (current.members.length === 1 && current.members[0].host !== address) {
  current.members[0].host = address;
  current.version += 1;
  admin.adminCommand({ replSetReconfig: current, force: true });
  print(`replica set ${current._id} now has its member at ${address}`);
}

const deadline = Date.now() + 60000;
while (!admin.hello().isWritablePrimary) {
  if (Date.now() > deadline) throw new Error(`${address} did not become primary within 60 s`);
  sleep(100);
}

const monitoring = { pwd: secret('monitoring-password'), roles: [{ role: 'clusterMonitor', db: 'admin' }] };
if (admin.getUser(MONITORING_USER)) admin.updateUser(MONITORING_USER, monitoring);
else admin.createUser({ user: MONITORING_USER, ...monitoring });
print(`${address} is primary of ${MONGO_REPLICA_SET}`);
