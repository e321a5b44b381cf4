# frozen_string_literal: true

require 'json'

module FunctoryLambda
  # An exception as Lambda tells it: errorMessage, errorType "Function<X>" or "Init<X>", stackTrace.
  class LambdaError
    attr_reader :type

    def initialize(exception, phase)
      @exception = exception
      @type = "#{phase}<#{exception.class.name || 'Anonymous'}>"
    end

    def to_h
      { errorMessage: message, errorType: @type, stackTrace: stack }
    end

    def to_json(*)
      JSON.generate(to_h)
    end

    def pretty
      JSON.pretty_generate(to_h)
    end

    def xray_cause
      frames = (@exception.backtrace_locations || []).first(50).map do |place|
        { path: place.path, line: place.lineno, label: place.label }
      end
      JSON.generate(
        working_directory: Dir.pwd,
        paths: frames.map { |frame| frame[:path] }.uniq,
        exceptions: [{ message: message, type: @type, stack: frames }]
      )
    end

    private

    def message
      text = @exception.respond_to?(:original_message) ? @exception.original_message : @exception.message
      text.to_s.encode('UTF-8', invalid: :replace, undef: :replace)
    end

    def stack
      own = __dir__
      (@exception.backtrace || []).reject { |line| line.start_with?(own) }
                                  .map { |line| line.encode('UTF-8', invalid: :replace, undef: :replace) }
    end
  end
end
