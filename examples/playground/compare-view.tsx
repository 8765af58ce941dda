import { useState } from 'preact/hooks';
import { FilePicker } from './file-picker.js';
import { bytesText } from './format.js';
import { JobStatus } from './job-status.js';
import type { Applied, Comparison, PickedFile, Predictions } from './jobs.js';
import { saveFiles } from './save-files.js';
import { PredictionTable, SizeTable, summaryText, TensorTable } from './tables.js';
import { useJob } from './use-job.js';

/** How payloads begin: a short text of MessagePack. */
const PAYLOAD_START = /^.ndiff/;

/** Models, or a model and a payload, that are ready to be compared. */
export interface Pair {
  readonly base: readonly PickedFile[];
  /** Files of the next model, or a payload alone. */
  readonly next: readonly PickedFile[];
  /** Examples for both models, and what they show. */
  readonly inputs?: readonly (readonly number[])[];
  readonly names?: readonly string[];
}

interface Shown {
  readonly compared?: Comparison | undefined;
  readonly applied?: Applied | undefined;
  readonly predictions?: Predictions | undefined;
}

interface CompareViewProps {
  readonly pair: Pair;
  readonly onPair: (pair: Pair) => void;
  /** Pairs that come with the page, by the text of their button. */
  readonly samples: Readonly<Record<string, Pair>>;
}

/** Two models, or a model and a payload: what changed, what an update takes, and what both answer. */
export function CompareView({ pair, onPair, samples }: CompareViewProps) {
  const { state, run, cancel } = useJob();
  const [shown, setShown] = useState<Shown & { readonly of?: Pair }>({});
  const { compared, applied, predictions } = shown.of === pair ? shown : ({} as Shown);
  const show = (more: Shown): void => setShown({ ...(shown.of === pair ? shown : {}), ...more, of: pair });
  const { base, next, inputs, names } = pair;
  const start = async (): Promise<void> => {
    const payload = await payloadOf(next);
    if (payload) setShown({ applied: await run<'apply'>({ type: 'apply', base, payload }), of: pair });
    else setShown({ compared: await run<'compare'>({ type: 'compare', base, next }), of: pair });
  };
  const applyAgain = async ({ payload }: Comparison): Promise<void> =>
    show({ applied: await run<'apply'>({ type: 'apply', base, payload }) });
  const predict = async (): Promise<void> => {
    const files = applied?.files ?? next;
    show({
      predictions: await run<'predict'>({ type: 'predict', base, next: files, ...(inputs && { inputs }) }),
    });
  };
  const isReady = base.length > 0 && next.length > 0;
  return (
    <section aria-labelledby="compare">
      <h2 id="compare">Compare two models, or apply a payload</h2>
      <PairPicker pair={pair} onPair={onPair} samples={samples} isBusy={state.isBusy} />
      <p class="buttons">
        <button type="button" disabled={!isReady || state.isBusy} onClick={() => void start()}>
          Compare
        </button>
        <button type="button" class="plain" disabled={!state.isBusy} onClick={cancel}>
          Cancel
        </button>
      </p>
      <JobStatus state={state} idle={isReady ? 'Ready.' : 'Choose both, or a sample.'} />
      {compared && (
        <CompareResult result={compared} isBusy={state.isBusy} onApply={() => void applyAgain(compared)} />
      )}
      {applied && <ApplyResult result={applied} isAlone={compared === undefined} />}
      {(compared || applied) && (
        <p class="buttons">
          <button type="button" class="plain" disabled={state.isBusy} onClick={() => void predict()}>
            Run examples through both
          </button>
        </p>
      )}
      {predictions && <PredictionTable rows={predictions} names={names} />}
    </section>
  );
}

/** Fields for both, and the samples. */
function PairPicker({ pair, onPair, samples, isBusy }: CompareViewProps & { readonly isBusy: boolean }) {
  const { base, next } = pair;
  return (
    <>
      <p>
        Safetensors, ONNX, TFLite, GGUF, Keras, NumPy, and the folders of TensorFlow.js. Choose all files of a
        model that has several.
      </p>
      <p class="buttons">
        <span>Try:</span>
        {Object.entries(samples).map(([text, sample]) => (
          <button key={text} type="button" class="plain" disabled={isBusy} onClick={() => onPair(sample)}>
            {text}
          </button>
        ))}
      </p>
      <div class="pickers">
        <FilePicker
          id="base"
          label="The model on devices"
          hint="Files or a folder, dropped or chosen."
          picked={base}
          onPick={(files) => onPair({ base: files, next })}
        />
        <FilePicker
          id="next"
          label="The next model, or a payload"
          hint="A payload (.ndiff) is applied to a copy of the model."
          picked={next}
          onPick={(files) => onPair({ base, next: files })}
        />
      </div>
    </>
  );
}

/** @returns the payload, where one was chosen in place of a model */
async function payloadOf(files: readonly PickedFile[]): Promise<Blob | undefined> {
  const [only] = files;
  if (files.length !== 1 || only === undefined) return undefined;
  return PAYLOAD_START.test(await only.blob.slice(0, 8).text()) ? only.blob : undefined;
}

interface CompareResultProps {
  readonly result: Comparison;
  readonly isBusy: boolean;
  readonly onApply: () => void;
}

function CompareResult({ result, isBusy, onApply }: CompareResultProps) {
  const { payload, rows, sizes, added, removed, makesFiles } = result;
  return (
    <div class="result">
      <p class="summary">{summaryText(rows, payload.size, sizes[0]?.bytes ?? 0)}</p>
      {makesFiles && (
        <p>The models differ in more than the values of their tensors: the payload makes the new files.</p>
      )}
      {added.length > 0 && <p>Only in the next model: {added.slice(0, 8).join(', ')}.</p>}
      {removed.length > 0 && <p>Only in the base: {removed.slice(0, 8).join(', ')}.</p>}
      <p class="hint">
        This payload is lossless: it gives the next model bit for bit. One that is trained under a budget of
        bytes is much smaller: see below.
      </p>
      <SizeTable rows={sizes} />
      <p class="buttons">
        <button
          type="button"
          class="plain"
          onClick={() => saveFiles([{ path: 'update.ndiff', blob: payload }])}
        >
          Download the payload, {bytesText(payload.size)}
        </button>
        <button type="button" class="plain" disabled={isBusy} onClick={onApply}>
          Apply it to a copy
        </button>
      </p>
      <TensorTable rows={rows} />
    </div>
  );
}

function ApplyResult({ result, isAlone }: { result: Applied; isAlone: boolean }) {
  const { base, next, promised, payloadBytes, files, rows } = result;
  return (
    <div class="result">
      {isAlone && (
        <p class="summary">
          {summaryText(
            rows,
            payloadBytes,
            files.reduce((sum, { blob }) => sum + blob.size, 0),
          )}
        </p>
      )}
      <p class="verified">
        The patched copy has the fingerprint that the payload states: <code>{next.fingerprint}</code>
        {next.fingerprint === promised ? '.' : `, not ${promised}.`}
      </p>
      <p class="hint">
        Before: <code>{base.fingerprint}</code>
      </p>
      <p class="buttons">
        <button type="button" class="plain" onClick={() => saveFiles(files)}>
          Download the patched model
        </button>
      </p>
      {isAlone && <TensorTable rows={rows} />}
    </div>
  );
}
