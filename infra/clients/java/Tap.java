import java.util.List;
import java.util.Objects;

/** Prints a line for each check, as the Test Anything Protocol has it: "ok NAME" or "not ok NAME", and at the end "1..N". */
final class Tap {
  interface Check {
    void run() throws Exception;
  }

  private int done;

  /** Runs a check. What it throws makes it fail, and the checks behind it run all the same. */
  void check(String name, Check check) {
    done++;
    try {
      check.run();
      System.out.println("ok " + name);
    } catch (Exception | AssertionError e) {
      System.out.println("not ok " + name);
      e.toString().lines().limit(12).forEach(line -> System.out.println("# " + line));
      List.of(e.getStackTrace()).stream().filter(at -> at.getModuleName() == null && !at.getClassName().contains("."))
          .limit(3).forEach(at -> System.out.println("# at " + at));
    }
  }

  void end() {
    System.out.println("1.." + done);
  }

  static void equal(Object got, Object want) {
    if (!Objects.equals(got, want)) {
      throw new AssertionError("got " + got + ", want " + want);
    }
  }

  static void holds(boolean condition, String what) {
    if (!condition) {
      throw new AssertionError("it does not hold that " + what);
    }
  }

  /** Runs what must be refused, and returns the refusal. */
  static <T extends Throwable> T refused(Class<T> kind, Check check) throws Exception {
    try {
      check.run();
    } catch (Exception e) {
      if (kind.isInstance(e)) {
        return kind.cast(e);
      }
      throw new AssertionError("got " + e + ", want " + kind.getSimpleName());
    }
    throw new AssertionError("it was taken, want " + kind.getSimpleName());
  }
}
