// Bundles `app.js` and the built package as an app of React Native would have them.
// node metro.cjs FOLDER PROFILE OUT
const { writeFileSync } = require('node:fs');
const { join } = require('node:path');
const Metro = require('metro');

const [, , folder, profile, out] = process.argv;
const root = join(__dirname, '..', '..', '..');

async function main() {
  const preset = require.resolve('@react-native/babel-preset');
  const options = { unstable_transformProfile: profile };
  writeFileSync(
    join(folder, 'babel.config.js'),
    `module.exports = ${JSON.stringify({ presets: [[preset, options]] })};`,
  );
  const config = await Metro.loadConfig(
    { cwd: folder },
    {
      projectRoot: folder,
      watchFolders: [root],
      cacheStores: [],
      maxWorkers: 1,
      resolver: {
        extraNodeModules: { 'neural-diff': root },
        nodeModulesPaths: [join(root, 'node_modules'), join(__dirname, 'node_modules')],
        useWatchman: false,
      },
      transformer: { enableBabelRCLookup: true },
      reporter: { update() {} },
    },
  );
  await Metro.runBuild(config, { entry: 'app.js', platform: 'ios', dev: false, minify: false, out });
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exitCode = 1;
});
