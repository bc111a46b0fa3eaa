// A launcher to be killed: starts a cluster with the options in its first argument, says READY, and stays.
const { Cluster } = await import(process.argv[3])
const cluster = new Cluster(JSON.parse(process.argv[2]))
await cluster.start()
console.log('READY')
await new Promise((resolve) => cluster.on('state', (state) => state === 'stopped' && resolve()))
