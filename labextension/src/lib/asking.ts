/** Questions of which only the newest matters: a new one ends the one before. */

export class Latest {
  #controller: AbortController | null = null;

  /** Asks; what came too late is dropped, what failed is handed on. */
  run<Result>(
    question: (signal: AbortSignal) => Promise<Result>,
    onResult: (result: Result) => void,
    onError: (error: unknown) => void,
  ): void {
    this.end();
    const controller = new AbortController();
    this.#controller = controller;
    question(controller.signal).then(
      (result) => {
        if (!controller.signal.aborted) onResult(result);
      },
      (error: unknown) => {
        if (!controller.signal.aborted) onError(error);
      },
    );
  }

  end(): void {
    this.#controller?.abort();
    this.#controller = null;
  }
}

/** What ends a view: each is called once, the last one first. */
export class Endings {
  #all: (() => void)[] = [];

  add(...endings: (() => void)[]): void {
    this.#all.push(...endings);
  }

  /** Listens until the end. */
  listen<Name extends keyof HTMLElementEventMap>(
    element: EventTarget,
    name: Name,
    callback: (event: HTMLElementEventMap[Name]) => void,
    options?: AddEventListenerOptions,
  ): void {
    element.addEventListener(name, callback as EventListener, options);
    this.add(() => element.removeEventListener(name, callback as EventListener, options));
  }

  end(): void {
    for (const ending of this.#all.splice(0).reverse()) ending();
  }
}
