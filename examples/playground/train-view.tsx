import { useState } from 'preact/hooks';
import type { Pair } from './compare-view.js';
import { bytesText, percentText } from './format.js';
import { JobStatus } from './job-status.js';
import type { DiffKind, EpochRow, TaskName, Trained, TrainOptions } from './jobs.js';
import { LossChart } from './loss-chart.js';
import { saveFiles } from './save-files.js';
import { DEFAULTS, digestKey } from './training-defaults.js';
import { useJob } from './use-job.js';

const TASK_NAMES: Readonly<Record<TaskName, string>> = {
  pictures: 'Pictures: four shapes, convolutions',
  melodies: 'Melodies: four tunes, an LSTM',
};
const KIND_NAMES: Readonly<Record<DiffKind, string>> = {
  hash: 'Hashed buckets',
  sparse: 'Sparse mask, annealed',
};
const BUDGETS = ['1%', '2%', '3%', '5%', '10%'];

interface TrainViewProps {
  /** SHA-256 of what Node.js trained, by `digestKey`. */
  readonly digests: Readonly<Record<string, string>>;
  readonly onPair: (pair: Pair) => void;
}

/** Trains a small base and a diff of it, and shows how. */
export function TrainView({ digests, onPair }: TrainViewProps) {
  const { state, run, cancel } = useJob();
  const [options, setOptions] = useState<TrainOptions>({ ...DEFAULTS, task: 'pictures', kind: 'sparse' });
  const [epochs, setEpochs] = useState<readonly EpochRow[]>([]);
  const [trained, setTrained] = useState<{ readonly result: Trained; readonly key: string }>();
  const start = async (): Promise<void> => {
    const rows: EpochRow[] = [];
    setEpochs([]);
    setTrained(undefined);
    const result = await run<'train'>({ type: 'train', ...options }, (row) => {
      rows.push(row);
      setEpochs([...rows]);
    });
    if (result) setTrained({ result, key: digestKey(options) });
  };
  return (
    <section aria-labelledby="train">
      <h2 id="train">Train a diff in this page</h2>
      <p>
        A base learns two of four classes, and stands for the model on devices. A diff teaches it all four, in
        few bytes.
      </p>
      <TrainForm options={options} isBusy={state.isBusy} onChange={setOptions} />
      <p class="buttons">
        <button type="button" disabled={state.isBusy} onClick={() => void start()}>
          Train
        </button>
        <button type="button" class="plain" disabled={!state.isBusy} onClick={cancel}>
          Cancel
        </button>
      </p>
      <JobStatus state={state} idle={trained ? 'Trained.' : 'Ready.'} />
      {epochs.length > 0 && <LossChart epochs={epochs} />}
      {trained && <TrainResult result={trained.result} expected={digests[trained.key]} onPair={onPair} />}
    </section>
  );
}

interface TrainFormProps {
  readonly options: TrainOptions;
  readonly isBusy: boolean;
  readonly onChange: (options: TrainOptions) => void;
}

function TrainForm({ options, isBusy, onChange }: TrainFormProps) {
  const set = (more: Partial<TrainOptions>): void => onChange({ ...options, ...more });
  return (
    <fieldset class="form" disabled={isBusy}>
      <Choice
        label="Task"
        value={options.task}
        choices={TASK_NAMES}
        onChoice={(task) => set({ task: task as TaskName })}
      />
      <Choice
        label="Kind"
        value={options.kind}
        choices={KIND_NAMES}
        onChoice={(kind) => set({ kind: kind as DiffKind })}
      />
      <Choice
        label="Bytes, of the model's"
        value={options.budget}
        choices={Object.fromEntries(BUDGETS.map((budget) => [budget, budget.replace('%', ' %')]))}
        onChoice={(budget) => set({ budget })}
      />
      <Count
        label="Epochs"
        value={options.epochs}
        range={[1, 100]}
        onCount={(count) => set({ epochs: count })}
      />
      <Count label="Seed" value={options.seed} range={[0, 9_999]} onCount={(seed) => set({ seed })} />
    </fieldset>
  );
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly choices: Readonly<Record<string, string>>;
  readonly onChoice: (value: string) => void;
}

function Choice({ label, value, choices, onChoice }: ChoiceProps) {
  return (
    <label>
      {label}
      <select value={value} onChange={({ currentTarget }) => onChoice(currentTarget.value)}>
        {Object.entries(choices).map(([name, text]) => (
          <option key={name} value={name}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

interface CountProps {
  readonly label: string;
  readonly value: number;
  readonly range: readonly [number, number];
  readonly onCount: (value: number) => void;
}

function Count({ label, value, range: [min, max], onCount }: CountProps) {
  return (
    <label>
      {label}
      <input
        type="number"
        {...{ min, max, value }}
        onChange={({ currentTarget }) =>
          onCount(Math.round(Math.min(max, Math.max(min, currentTarget.valueAsNumber || min))))
        }
      />
    </label>
  );
}

interface TrainResultProps {
  readonly result: Trained;
  readonly expected: string | undefined;
  readonly onPair: (pair: Pair) => void;
}

function TrainResult({ result, expected, onPair }: TrainResultProps) {
  const { payload, modelBytes, accuracy, examples, sha256, files } = result;
  const blob = new Blob([payload]);
  const base = files.map(({ path, bytes }) => ({ path, blob: new Blob([bytes]) }));
  const rows = {
    Base: accuracy.base,
    'Full fine-tune': accuracy.full,
    'Base with the payload': accuracy.diff,
  };
  return (
    <div class="result">
      <p class="summary">
        The payload has {bytesText(payload.length)}, {percentText(payload.length, modelBytes)} of the model.
      </p>
      <div class="wide">
        <table>
          <caption>Accuracy on {examples} examples that were not trained on</caption>
          <tbody>
            {Object.entries(rows).map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td class="number">{percentText(value, 1)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class={expected === sha256 ? 'verified' : ''}>
        {expected === undefined && 'SHA-256 of the payload: '}
        {expected === sha256 && 'Node.js trains the same bytes. SHA-256: '}
        {expected !== undefined &&
          expected !== sha256 &&
          `Node.js trains other bytes, ${expected}. SHA-256 here: `}
        <code>{sha256}</code>
      </p>
      <p class="buttons">
        <button type="button" class="plain" onClick={() => saveFiles([{ path: 'update.ndiff', blob }])}>
          Download the payload
        </button>
        <button
          type="button"
          class="plain"
          onClick={() => onPair({ base, next: [{ path: 'update.ndiff', blob }] })}
        >
          Apply it above
        </button>
      </p>
    </div>
  );
}
